//! Starting, asking and watching builds.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::FakeSteps,
};
use kilnworks_workflows::{
    build::raw,
    failure::{Failure, FailureType},
    output::{BuildOutput, FailureDetails},
    progress::State,
};
use serde_json::{Value, json};
use temporalio_client::{
    Client, UntypedQuery, UntypedUpdate, UntypedWorkflow, WorkflowCancelOptions,
    WorkflowExecuteUpdateOptions, WorkflowHandle, WorkflowQueryOptions,
    errors::WorkflowUpdateError,
};
use temporalio_common::{
    HasWorkflowDefinition,
    data_converters::{PayloadConverter, RawValue},
};

/// How long a test waits for what must happen soon.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn failure(kind: FailureType) -> Failure {
    Failure::new(kind, format!("{kind:?} happened"))
}

/// The names of a container of the component `web`.
pub(super) fn web(container: &str) -> Value {
    json!({"component": "web", "container": container})
}

/// Builds a document to its end.
pub(super) async fn build<W>(steps: &FakeSteps, workflow: W, document: Value) -> End
where
    W: HasWorkflowDefinition<Input = RawValue, Output = BuildOutput>,
{
    with_fakes(steps.clone(), async |client, queue| {
        end(&start(&client, workflow, &queue, &queue, document).await).await
    })
    .await
}

/// The result of a build that succeeds.
pub(super) async fn succeeds<W>(steps: &FakeSteps, workflow: W, document: Value) -> BuildOutput
where
    W: HasWorkflowDefinition<Input = RawValue, Output = BuildOutput>,
{
    build(steps, workflow, document).await.output()
}

/// The failure of a build that fails.
pub(super) async fn fails<W>(
    steps: &FakeSteps,
    workflow: W,
    document: Value,
) -> (String, FailureDetails)
where
    W: HasWorkflowDefinition<Input = RawValue, Output = BuildOutput>,
{
    build(steps, workflow, document).await.failure()
}

/// Sends an update, and returns its answer or the reason of the refusal.
pub(super) async fn ask_raw(
    client: &Client,
    id: &str,
    update: &str,
    payload: RawValue,
) -> Result<String, String> {
    let build = client.get_workflow_handle::<UntypedWorkflow>(id);
    let options = WorkflowExecuteUpdateOptions::default();
    let asked = build.execute_update(UntypedUpdate::new(update), payload, options);
    match tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time") {
        Ok(answer) => Ok(answer.to_value(&PayloadConverter::serde_json())),
        Err(WorkflowUpdateError::Failed(failure)) => Err(failure.message.clone()),
        Err(error) => Err(error.to_string()),
    }
}

/// The same with a JSON payload.
pub(super) async fn try_ask(
    client: &Client,
    id: &str,
    update: &str,
    payload: Value,
) -> Result<String, String> {
    ask_raw(client, id, update, raw(&payload)).await
}

/// Sends an update that the workflow accepts, and returns the answer.
pub(super) async fn ask(client: &Client, id: &str, update: &str, payload: Value) -> String {
    let answer = try_ask(client, id, update, payload).await;
    answer.unwrap_or_else(|refusal| panic!("`{update}` was refused: {refusal}"))
}

/// Sends an update that the workflow refuses for this reason.
pub(super) async fn refused(client: &Client, id: &str, update: &str, payload: Value, reason: &str) {
    let refusal = try_ask(client, id, update, payload).await.expect_err(update);
    assert!(refusal.contains(reason), "{update}: {refusal}");
}

/// The answer of a query; none before the workflow can answer.
pub(super) async fn query(client: &Client, id: &str, name: &str) -> Option<Value> {
    let build = client.get_workflow_handle::<UntypedWorkflow>(id);
    let options = WorkflowQueryOptions::default();
    let answer = build.query(UntypedQuery::new(name), RawValue::new(Vec::new()), options).await;
    Some(answer.ok()?.to_value(&PayloadConverter::serde_json()))
}

/// Waits until a workflow shows a container, as `data/loader` or `server`, in a state.
pub(super) async fn stands(client: &Client, id: &str, container: &str, state: State) {
    eventually(&format!("{container} to be {}", state.word()), PATIENCE, async || {
        let progress = query(client, id, "progress").await?;
        let rows = progress["containers"].as_array()?;
        let (of, name) = container.split_once('/').unwrap_or(("web", container));
        let row = rows.iter().find(|row| row["component"] == of && row["container"] == name)?;
        (row["state"] == json!(state)).then_some(())
    })
    .await;
}

/// Waits until a step ran so often.
pub(super) async fn ran(steps: &FakeSteps, beginning: &str, times: usize) {
    eventually(&format!("`{beginning}` {times} times"), PATIENCE, async || {
        (steps.count(beginning) == times).then_some(())
    })
    .await;
}

/// Cancels a build, and waits for its end.
pub(super) async fn cancel<W>(handle: &WorkflowHandle<Client, W>)
where
    W: HasWorkflowDefinition<Output = BuildOutput>,
{
    handle.cancel(WorkflowCancelOptions::default()).await.expect("the build can be cancelled");
    assert!(matches!(end(handle).await, End::Cancelled));
}
