//! `split`: a document becomes what will be done, or one message with every fault.

use kilnworks_workflows::{
    document::Document,
    failure::FailureType,
    fault::Faults,
    plan,
    steps::{EngineSettings, Split, SplitInput},
};

use crate::error::fail;

/// Reads a document.
pub fn split(input: SplitInput, settings: EngineSettings) -> anyhow::Result<Split> {
    read(input, settings).map_err(|faults| fail(FailureType::InvalidSpec, faults.to_string()))
}

fn read(input: SplitInput, settings: EngineSettings) -> Result<Split, Faults> {
    let (document, plan) = plan::read(input.kind, input.document)?;
    let resolved = match document {
        Document::App(_) => None,
        Document::Component(input) => input.resolved,
        Document::Container(input) => input.resolved,
    };
    Ok(Split { plan, resolved, settings })
}
