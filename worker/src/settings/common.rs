//! The settings of every command.

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, filter::ParseError};
use url::Url;

use super::{layers::Values, lower::Lowering};
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

/// The settings of the log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// A filter of `tracing`. Default: the default of the command.
    pub(crate) filter: Option<String>,
    /// The format.
    pub(crate) format: LogFormat,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// Parses a log filter.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// The settings of every command.
pub(crate) fn common(values: &Values) -> Result<Common, Error> {
    let mut lowering = Lowering::of(values);
    let common = lower(&mut lowering);
    lowering.or(common)
}

/// The log format. Works even if other settings are invalid.
pub(crate) fn log_format(values: &Values) -> LogFormat {
    lower_format(&mut Lowering::of(values))
}

pub(super) fn lower(lowering: &mut Lowering<'_>) -> Common {
    let log = lower_log(lowering);
    Common {
        task_queue: lowering.name("task-queue", "kiln"),
        temporal_ui: lowering.url("temporal-ui"),
        log,
    }
}

fn lower_log(lowering: &mut Lowering<'_>) -> Log {
    let accepted = "a filter such as `info,kilnworks=debug`";
    lowering.check("log", accepted, |given| filter(given).is_ok());
    Log { filter: lowering.text("log"), format: lower_format(lowering) }
}

fn lower_format(lowering: &mut Lowering<'_>) -> LogFormat {
    lowering.choice("log-format", LogFormat::Text)
}
