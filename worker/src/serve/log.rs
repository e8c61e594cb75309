//! The log on stderr.

use std::io::IsTerminal;

use crate::{
    output::Error,
    settings::{self, Log, LogFormat},
};

/// Starts the log. Must be called once.
pub(crate) fn start(log: &Log, default: &str) -> Result<(), Error> {
    let filter =
        settings::filter(log.filter.as_deref().unwrap_or(default)).map_err(anyhow::Error::from)?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log_to = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_env_filter(filter);
    match log.format {
        LogFormat::Text => log_to.with_target(false).init(),
        // Flat, with the span that names the build and step: docs/operators.md lists the fields.
        LogFormat::Json => log_to.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}
