//! What a command does: every setting with its default filled in, and every fault found.

mod common;
mod installation;
mod layers;
mod log;
mod lower;
mod steps;
mod store;
mod sweeping;
mod version;

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    common::{Common, common, log_format},
    installation::{Installation, installation},
    layers::Values,
    log::{Log, LogFormat, filter},
    sweeping::{Sweeping, sweeping},
    version::Version,
};
