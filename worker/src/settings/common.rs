//! The settings of every command.

use url::Url;

use super::{
    layers::Values,
    log::{self, Log, LogFormat},
    lower::Lowering,
};
use crate::output::Error;

/// Settings of every command.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// Task queue of the workflows, and prefix of the other three queues.
    pub(crate) task_queue: String,
    /// URL of the Temporal UI.
    pub(crate) temporal_ui: Option<Url>,
    /// What is logged, and how.
    pub(crate) log: Log,
}

/// The settings of every command.
pub(crate) fn common(values: &Values) -> Result<Common, Error> {
    let mut lowering = Lowering::of(values);
    let common = lower(&mut lowering);
    lowering.or(common)
}

/// The log format. Works even if other settings are invalid.
pub(crate) fn log_format(values: &Values) -> LogFormat {
    log::lower_format(&mut Lowering::of(values))
}

pub(super) fn lower(lowering: &mut Lowering<'_>) -> Common {
    let log = log::lower(lowering);
    Common {
        task_queue: lowering.name("task-queue", "kiln"),
        temporal_ui: lowering.url("temporal-ui"),
        log,
    }
}
