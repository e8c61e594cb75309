//! The settings of an installation.

use std::{net::SocketAddr, time::Duration};

use kilnworks_activities::settings::Settings;

use super::{
    common,
    layers::Values,
    lower::Lowering,
    steps,
    sweeping::{self, Sweeping},
    version::{self, Version},
};
use crate::output::{Error, units};

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

/// The settings of an installation. Faults of the common settings are in the same error.
pub(crate) fn installation(values: &Values) -> Result<Installation, Error> {
    let mut lowering = Lowering::of(values);
    let common = common::lower(&mut lowering);
    let steps = steps::lower(&mut lowering);
    let installation = Installation {
        grace: lowering.time("grace", "20s", Duration::ZERO..=units::HOUR),
        listen: lowering.socket("listen"),
        sweeping: sweeping::lower(&mut lowering, common.task_queue, steps.install.clone()),
        version: version::lower(&mut lowering, &steps.install),
        steps,
    };
    lowering.or(installation)
}
