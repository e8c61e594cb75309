//! What a running step reports to Temporal and asks of it: that it is alive, what its build waits for,
//! whether it is still wanted.

mod observer;
mod status;
mod step;

pub use self::{
    observer::Observer,
    status::{StepStatus, status, unwanted},
    step::{plain, to_engine, watched},
};
