//! `kiln schema`: JSON Schemas, generated from the types.

use clap::ValueEnum;
use kilnworks_workflows::contract::schemas;

use crate::{
    cli::SchemaArgs,
    output::{Error, Exit, document, stdout},
};

/// Prints the JSON Schema of a document.
pub(crate) fn schema(args: SchemaArgs) -> Result<Exit, Error> {
    // The contract writes names with `_`, the command line with `-`.
    let name = args.document.to_possible_value().map(|value| value.get_name().replace('-', "_"));
    let name = name.unwrap_or_default();
    let schema = schemas().into_iter().find(|(own, _)| *own == name);
    let (_, schema) = schema.unwrap_or_else(|| unreachable!("the contract has `{name}`"));
    match args.output.as_str() {
        "yaml" => document::yaml(&schema)?,
        _ => stdout::json(&schema)?,
    }
    Ok(Exit::Success)
}
