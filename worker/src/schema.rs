//! `kiln schema`: the documents of the wire, generated from the types.

use kilnworks_workflows::{
    document::Kind, failure::FailureDetails, output::BuildOutput, progress::Progress,
    record::Record,
};
use schemars::schema_for;
use serde_json::Value;

use crate::{
    cli::{Schema, SchemaArgs},
    document,
    end::{Error, Exit},
    table,
};

/// Prints the JSON Schema of a document.
pub(crate) fn schema(args: SchemaArgs) -> Result<Exit, Error> {
    let schema: Value = match args.document {
        Schema::App => Kind::App.schema(),
        Schema::Component => Kind::Component.schema(),
        Schema::Container => Kind::Container.schema(),
        Schema::Output => schema_for!(BuildOutput).into(),
        Schema::Record => schema_for!(Record).into(),
        Schema::Progress => schema_for!(Progress).into(),
        Schema::Failure => schema_for!(FailureDetails).into(),
    };
    match args.output.as_str() {
        "yaml" => document::yaml(&schema)?,
        _ => table::json(&schema)?,
    }
    Ok(Exit::Success)
}
