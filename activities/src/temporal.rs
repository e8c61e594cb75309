//! What a running step reports to Temporal and asks of it: that it is alive, what its build waits for,
//! whether it is still wanted.

mod failure;
mod observer;
mod status;
mod step;

pub use self::{
    failure::to_engine,
    observer::Observer,
    status::{StepStatus, status, unwanted},
    step::{plain, watched},
};
