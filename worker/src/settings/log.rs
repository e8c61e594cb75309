//! The settings of the log.

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, filter::ParseError};

use super::lower::Lowering;

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

pub(super) fn lower(lowering: &mut Lowering<'_>) -> Log {
    let accepted = "a filter such as `info,kilnworks=debug`";
    lowering.check("log", accepted, |given| filter(given).is_ok());
    Log { filter: lowering.text("log"), format: lower_format(lowering) }
}

pub(super) fn lower_format(lowering: &mut Lowering<'_>) -> LogFormat {
    lowering.choice("log-format", LogFormat::Text, LogFormat::value_variants())
}
