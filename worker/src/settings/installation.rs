//! The settings of an installation, and those of its sweep schedule.

use std::{net::SocketAddr, time::Duration};

use kilnworks_activities::settings::Settings;

use super::{
    common,
    layers::Values,
    lower::Lowering,
    steps,
    version::{self, Version},
};
use crate::output::{Error, units};

const MINUTE: Duration = Duration::from_secs(60);

/// Settings of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    /// Settings of the steps of a build.
    pub(crate) steps: Settings,
    /// Time for running steps to end when the worker stops.
    pub(crate) grace: Duration,
    /// Address for `/metrics` and the health checks, if there is one.
    pub(crate) listen: Option<SocketAddr>,
    /// The sweep schedule.
    pub(crate) sweeping: Sweeping,
    /// The worker version, if versioning is on.
    pub(crate) version: Option<Version>,
}

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

/// The settings of an installation. Faults of the common settings are in the same error.
pub(crate) fn installation(values: &Values) -> Result<Installation, Error> {
    let mut lowering = Lowering::of(values);
    let common = common::lower(&mut lowering);
    let steps = steps::lower(&mut lowering);
    let installation = Installation {
        grace: lowering.time("grace", "20s", Duration::ZERO..=units::HOUR),
        listen: lowering.socket("listen"),
        sweeping: lower_sweeping(&mut lowering, common.task_queue, steps.install.clone()),
        version: version::lower(&mut lowering, &steps.install),
        steps,
    };
    lowering.or(installation)
}

/// The settings of the sweep schedule. They need only the name of an installation.
pub(crate) fn sweeping(values: &Values) -> Result<Sweeping, Error> {
    let mut lowering = Lowering::of(values);
    let common = common::lower(&mut lowering);
    let install = lowering.name("install", "kiln");
    let sweeping = lower_sweeping(&mut lowering, common.task_queue, install);
    lowering.or(sweeping)
}

fn lower_sweeping(lowering: &mut Lowering<'_>, queue: String, install: String) -> Sweeping {
    let every = lowering.time_or_never("sweep-every", "1h", MINUTE..=30 * units::DAY);
    Sweeping { install, queue, every }
}
