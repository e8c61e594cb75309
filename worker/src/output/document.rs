//! Results as one document on stdout, for programs.

use clap::ValueEnum;
use serde::Serialize;

use super::{error::Error, stdout};

/// Output format of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// A table for people.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML with the same fields as JSON.
    Yaml,
}

/// Prints a value in the given format. `table` prints the table.
pub(crate) fn show(
    output: OutputFormat,
    value: &impl Serialize,
    table: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    match output {
        OutputFormat::Table => table(),
        OutputFormat::Json => stdout::json(value),
        OutputFormat::Yaml => yaml(value),
    }
}

/// Prints a value as YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Result<(), Error> {
    // YAML is written from the JSON value, so that both have the same keys and values.
    let value = serde_json::to_value(value).map_err(anyhow::Error::from)?;
    let text = serde_saphyr::to_string(&value).map_err(anyhow::Error::from)?;
    stdout::print(text.trim_end())
}
