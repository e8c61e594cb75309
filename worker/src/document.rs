//! Results as programs read them: one document on stdout.

use serde::Serialize;

use crate::{cli::Output, end::Error, table};

/// Shows a value in the form that was asked for; `table` prints it for people.
pub(crate) fn show(
    output: Output,
    value: &impl Serialize,
    table: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    match output {
        Output::Table => table(),
        Output::Json => table::json(value),
        Output::Yaml => yaml(value),
    }
}

/// Prints a value as YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Result<(), Error> {
    // By way of JSON, so that both have the same keys and values.
    let value = serde_json::to_value(value).map_err(anyhow::Error::from)?;
    let text = serde_saphyr::to_string(&value).map_err(anyhow::Error::from)?;
    table::print(text.trim_end())
}
