//! What a command does: every setting with its default filled in, and every fault found.

mod common;
mod installation;
mod layers;
mod lower;
mod steps;
mod store;
mod version;

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    common::{Common, Log, LogFormat, common, filter, log_format},
    installation::{Installation, Sweeping, installation, sweeping},
    layers::Values,
    version::Version,
};
