//! The log, on stderr.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::{
    end::Error,
    settings::{Log, LogFormat},
};

/// A filter of the log.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// Switches the log on. Called once.
pub(crate) fn start(log: &Log, default: &str) -> Result<(), Error> {
    let filter = filter(log.filter.as_deref().unwrap_or(default)).map_err(anyhow::Error::from)?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log_to = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_env_filter(filter);
    match log.format {
        LogFormat::Text => log_to.with_target(false).init(),
        // Flat, with the one span that says whose step it is: docs/operators.md lists the fields.
        LogFormat::Json => log_to.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}
