//! The wire contract: what a caller of any language goes by. `docs/contract.md` and `docs/schema`
//! are made of this, and a test holds them to it.

use schemars::schema_for;
use serde_json::{Value, json};
use strum::VariantArray;
use temporalio_common::{QueryDefinition, WorkflowDefinition};

use crate::{
    BuildApp, BuildComponent, BuildContainer,
    build::SEARCH_ATTRIBUTES,
    document::Kind,
    failure::{FailureDetails, FailureType},
    names::{TaskQueues, child_workflow_id},
    output::BuildOutput,
    progress::Progress,
    record,
    spec::API_VERSION,
};

/// The JSON Schema of every document, by its name.
pub fn schemas() -> [(&'static str, Value); 7] {
    [
        ("app", Kind::App.schema()),
        ("component", Kind::Component.schema()),
        ("container", Kind::Container.schema()),
        ("output", schema_for!(BuildOutput).into()),
        ("failure", schema_for!(FailureDetails).into()),
        ("progress", schema_for!(Progress).into()),
        ("record", schema_for!(record::Record).into()),
    ]
}

/// Every name that a caller uses, beside the fields of the documents. Where a document is meant,
/// it is named as in [`schemas`].
pub fn names() -> Value {
    let queues = TaskQueues::of("kiln");
    let component = child_workflow_id("ID", "COMPONENT");
    let container = child_workflow_id(&component, "CONTAINER");
    let workflow = |name: &str, input: &str, id: &str| json!({"type": name, "input": input, "result": "output", "details": "failure", "id": id});
    json!({
        "apiVersion": {"spec": API_VERSION, "record": record::API_VERSION},
        "workflows": [
            workflow(BuildApp::run.name(), "app", "ID"),
            workflow(BuildComponent::run.name(), "component", &component),
            workflow(BuildContainer::run.name(), "container", &container),
        ],
        "taskQueue": queues.main,
        "otherTaskQueues": [queues.source, queues.launch, queues.await_build],
        "queries": [{"name": BuildApp::progress.name(), "answer": "progress"}],
        "searchAttributes": SEARCH_ATTRIBUTES.map(|name| json!({"name": name, "type": "Keyword"})),
        "failureTypes": FailureType::VARIANTS.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
    })
}
