//! The settings of the sweep schedule.

use std::time::Duration;

use super::{common, layers::Values, lower::Lowering};
use crate::output::{Error, units};

const MINUTE: Duration = Duration::from_secs(60);

/// The settings of the sweep schedule.
#[derive(Clone, Debug)]
pub(crate) struct Sweeping {
    /// Name of the installation.
    pub(crate) install: String,
    /// Task queue of the workflows.
    pub(crate) queue: String,
    /// Time between two sweeps, if there are sweeps.
    pub(crate) every: Option<Duration>,
}

/// The settings of the sweep schedule. They need only the name of an installation.
pub(crate) fn sweeping(values: &Values) -> Result<Sweeping, Error> {
    let mut lowering = Lowering::of(values);
    let common = common::lower(&mut lowering);
    let install = lowering.name("install", "kiln");
    let sweeping = lower(&mut lowering, common.task_queue, install);
    lowering.or(sweeping)
}

pub(super) fn lower(lowering: &mut Lowering<'_>, queue: String, install: String) -> Sweeping {
    let every = lowering.time_or_never("sweep-every", "1h", MINUTE..=30 * units::DAY);
    Sweeping { install, queue, every }
}
