//! What a running step reports to Temporal and asks of it: that it is alive, what its build waits for,
//! whether it is still wanted.

mod observer;
mod status;
mod step;

use std::time::SystemTime;

pub use self::{
    observer::Observer,
    status::{StepStatus, status, unwanted},
    step::{plain, to_engine, watched},
};

/// A time that a workflow handed over, as RFC 3339.
pub fn time(text: &str) -> SystemTime {
    humantime::parse_rfc3339(text).unwrap_or_else(|_| SystemTime::now())
}
