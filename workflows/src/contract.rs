//! The wire contract. `docs/contract.md` and `docs/schema` are generated from it.

use schemars::schema_for;
use serde_json::{Value, json};
use strum::VariantArray;
use temporalio_common::{QueryDefinition, UpdateDefinition, WorkflowDefinition};

use crate::{
    BuildApp, BuildComponent, BuildContainer,
    build::SEARCH_ATTRIBUTES,
    decision::{Approve, Extend, Retry, Scope, Which},
    document::Kind,
    failure::FailureType,
    names::{TaskQueues, child_workflow_id},
    output::{BuildOutput, FailureDetails},
    planned::Planned,
    progress::Progress,
    record,
    spec::API_VERSION,
};

/// The JSON Schema of every document, by its name.
pub fn schemas() -> [(&'static str, Value); 13] {
    [
        ("app", Kind::App.schema()),
        ("component", Kind::Component.schema()),
        ("container", Kind::Container.schema()),
        ("output", schema_for!(BuildOutput).into()),
        ("failure", schema_for!(FailureDetails).into()),
        ("progress", schema_for!(Progress).into()),
        ("plan", schema_for!(Planned).into()),
        ("pause", schema_for!(Scope).into()),
        ("cancel_container", schema_for!(Which).into()),
        ("retry_container", schema_for!(Retry).into()),
        ("extend", schema_for!(Extend).into()),
        ("approve", schema_for!(Approve).into()),
        ("record", schema_for!(record::Record).into()),
    ]
}

/// Every name that a caller uses, except the fields of the documents. Documents are named as in
/// [`schemas`].
pub fn names() -> Value {
    let queues = TaskQueues::of("kiln");
    let component = child_workflow_id("ID", "COMPONENT");
    let container = child_workflow_id(&component, "CONTAINER");
    let workflow = |name: &str, input: &str, id: &str| json!({"type": name, "input": input, "result": "output", "details": "failure", "id": id});
    let update = |name: &str, input: &str| json!({"name": name, "input": input});
    json!({
        "apiVersion": {"spec": API_VERSION, "record": record::API_VERSION},
        "workflows": [
            workflow(BuildApp::run.name(), "app", "ID"),
            workflow(BuildComponent::run.name(), "component", &component),
            workflow(BuildContainer::run.name(), "container", &container),
        ],
        "taskQueue": queues.main,
        "otherTaskQueues": [queues.source, queues.launch, queues.await_build],
        "queries": [
            {"name": BuildApp::progress.name(), "answer": "progress"},
            {"name": BuildApp::plan.name(), "answer": "plan"},
        ],
        "updates": [
            update(BuildApp::pause.name(), "pause"),
            update(BuildApp::resume.name(), "pause"),
            update(BuildApp::cancel_container.name(), "cancel_container"),
            update(BuildApp::retry_container.name(), "retry_container"),
            update(BuildApp::extend.name(), "extend"),
            update(BuildApp::approve.name(), "approve"),
        ],
        "searchAttributes": SEARCH_ATTRIBUTES.map(|name| json!({"name": name, "type": "Keyword"})),
        "failureTypes": FailureType::VARIANTS.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
    })
}
