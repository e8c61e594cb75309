//! The worker, and the other commands of an operator.

mod fetch_context;
mod health;
mod listen;
mod log;
mod probe;
mod run;
mod setup;
mod signals;
mod sweep;
mod sweep_schedule;
mod telemetry;
mod traces;
mod workers;

pub(crate) use self::{
    fetch_context::fetch_context, log::start as start_log, run::worker, setup::setup, sweep::sweep,
};
