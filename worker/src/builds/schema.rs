//! `kiln schema`: JSON Schemas, generated from the types.

use kilnworks_workflows::contract::schemas;

use crate::{
    cli::{Schema, SchemaArgs},
    output::{Error, Exit, document, stdout},
};

/// Prints the JSON Schema of a document.
pub(crate) fn schema(args: SchemaArgs) -> Result<Exit, Error> {
    let name = match args.document {
        Schema::App => "app",
        Schema::Component => "component",
        Schema::Container => "container",
        Schema::Output => "output",
        Schema::Record => "record",
        Schema::Progress => "progress",
        Schema::Failure => "failure",
        Schema::Plan => "plan",
        Schema::Pause => "pause",
        Schema::CancelContainer => "cancel_container",
        Schema::RetryContainer => "retry_container",
        Schema::Extend => "extend",
        Schema::Approve => "approve",
    };
    let schema = schemas().into_iter().find(|(own, _)| *own == name);
    let (_, schema) = schema.unwrap_or_else(|| unreachable!("the contract has `{name}`"));
    match args.output.as_str() {
        "yaml" => document::yaml(&schema)?,
        _ => stdout::json(&schema)?,
    }
    Ok(Exit::Success)
}
