//! What the three workflows share: reading the document, starting children, ending.

use std::{cell::RefCell, collections::VecDeque};

use serde_json::{Value, json};
use temporalio_common::{
    WorkflowDefinition,
    data_converters::{PayloadConverter, RawValue, TemporalDeserializable},
    search_attributes::{SearchAttributeKey, SearchAttributeUpdate, SearchAttributes},
};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, StartChildWorkflowExecutionFailedCause, TimerOptions,
    TimerResult, WorkflowCancellationToken, WorkflowContext,
    common::error::ChildWorkflowStartError, join_all,
};

use crate::{
    BuildApp,
    bounds::{self, at_most},
    build_id::BuildId,
    document::{Kind, parse},
    failure::{FailureType, head},
    names, policy,
    progress::Observed,
    steps::{Split, SplitInput, Steps},
    stop::Stop,
};

/// Name of the app.
pub const APP: SearchAttributeKey<String> = SearchAttributeKey::keyword("KilnApp");
/// Name of the component.
pub const COMPONENT: SearchAttributeKey<String> = SearchAttributeKey::keyword("KilnComponent");
/// Name of the container.
pub const CONTAINER: SearchAttributeKey<String> = SearchAttributeKey::keyword("KilnContainer");
/// Version of the app.
pub const VERSION: SearchAttributeKey<String> = SearchAttributeKey::keyword("KilnVersion");
/// Commit that a container was built from.
pub const COMMIT: SearchAttributeKey<String> = SearchAttributeKey::keyword("KilnCommit");
/// `succeeded`, or a failure type, or `cancelled`.
pub const OUTCOME: SearchAttributeKey<String> = SearchAttributeKey::keyword("KilnOutcome");

/// Every search attribute that a namespace must have, all of type Keyword.
pub const SEARCH_ATTRIBUTES: [&str; 6] =
    ["KilnApp", "KilnComponent", "KilnContainer", "KilnVersion", "KilnCommit", "KilnOutcome"];

/// A document as the input of a workflow.
pub fn raw(document: &Value) -> RawValue {
    RawValue::from_value(document, &PayloadConverter::serde_json())
}

/// A raw payload as JSON; `null` if it is not JSON. Handlers take raw payloads, as a payload that the SDK
/// cannot decode fails the task of the workflow for ever.
pub(crate) fn json_of(raw: &RawValue) -> Value {
    let payload = raw.payloads.first();
    let value = payload.and_then(|payload| serde_json::from_slice(&payload.data).ok());
    value.unwrap_or_default()
}

/// Reads the document that a workflow was started with.
pub(crate) async fn split<W>(
    ctx: &WorkflowContext<W>,
    kind: Kind,
    input: &RawValue,
) -> Result<(Value, Split), Stop> {
    let split = match readable(ctx.workflow_id(), kind, input) {
        Ok(document) => {
            let input = SplitInput { kind, document: document.clone() };
            let split = ctx.execute_local_activity(Steps::split, input, policy::split()).await;
            split.map(|split| (document, split)).map_err(Stop::from)
        }
        Err(stop) => Err(stop),
    };
    if let Err(stop) = &split {
        ctx.upsert_search_attributes([OUTCOME.value_set(stop.word())]);
    }
    split
}

/// Parses a document, and checks that the ids of its children fit.
fn readable(id: &str, kind: Kind, input: &RawValue) -> Result<Value, Stop> {
    let levels = match kind {
        Kind::App => 2,
        Kind::Component => 1,
        Kind::Container => 0,
    };
    let bound = bounds::WORKFLOW_ID - levels * (1 + bounds::NAME);
    let room = at_most(id.len(), bound, "bytes");
    room.map_err(|fault| {
        Stop::because(FailureType::InvalidSpec, format!("the workflow's id has {fault}"))
    })?;
    let text = input.payloads.first().map_or(&[][..], |payload| payload.data.as_slice());
    parse(text).map_err(|faults| Stop::because(FailureType::InvalidSpec, faults.to_string()))
}

/// The search attributes of a build.
pub(crate) fn attributes(
    app: &str,
    version: Option<&str>,
    component: Option<&str>,
    container: Option<&str>,
) -> Vec<SearchAttributeUpdate> {
    let given = [
        Some(APP.value_set(app.to_owned())),
        version.map(|version| VERSION.value_set(version.to_owned())),
        component.map(|component| COMPONENT.value_set(component.to_owned())),
        container.map(|container| CONTAINER.value_set(container.to_owned())),
    ];
    given.into_iter().flatten().collect()
}

/// Runs a child workflow to its end. Waits first for an earlier workflow with the same id.
pub(crate) async fn child<W, C>(
    ctx: &WorkflowContext<W>,
    workflow: impl Fn() -> C,
    name: &str,
    summary: String,
    document: Value,
    attributes: Vec<SearchAttributeUpdate>,
    group: &WorkflowCancellationToken,
) -> Result<C::Output, Stop>
where
    C: WorkflowDefinition<Input = RawValue> + 'static,
    C::Output: TemporalDeserializable,
{
    let options = ChildWorkflowOptions::builder()
        .workflow_id(names::child_workflow_id(ctx.workflow_id(), name))
        .parent_close_policy(ParentClosePolicy::RequestCancel)
        .cancellation_token(group.clone())
        .search_attributes(SearchAttributes::new(attributes))
        .static_summary(head(&summary, bounds::SUMMARY_BYTES))
        .build();
    let mut tries = policy::ID_WAIT.as_secs() / policy::ID_RETRY.as_secs();
    loop {
        match ctx.start_child_workflow(workflow(), raw(&document), options.clone()).await {
            Ok(started) => return Ok(started.result().await?),
            Err(error) if tries > 0 && is_taken(&error) => tries -= 1,
            Err(error) => return Err(error.into()),
        }
        let pause = TimerOptions::builder(policy::ID_RETRY).cancellation_token(group.clone());
        if ctx.timer(pause.build()).await == TimerResult::Cancelled {
            return Err(Stop::Cancelled);
        }
    }
}

pub(crate) fn is_taken(error: &ChildWorkflowStartError) -> bool {
    matches!(
        error,
        ChildWorkflowStartError::StartFailed {
            cause: StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists,
            ..
        }
    )
}

/// The summary of a build in the Temporal UI.
pub(crate) fn summary(what: &str, version: Option<&str>, commit: Option<&str>) -> String {
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    let commit = commit.map(|commit| format!(" at {}", head(commit, 12))).unwrap_or_default();
    format!("build {what}{version}{commit}")
}

/// The id with which the steps of a workflow that a user started report.
pub(crate) fn id<W>(ctx: &WorkflowContext<W>, app: &str) -> BuildId {
    let own = ctx.workflow_id().to_owned();
    BuildId {
        app: app.to_owned(),
        root: own.clone(),
        workflow_id: own,
        run_id: ctx.info().first_execution_run_id().to_owned(),
        ..BuildId::default()
    }
}

/// The engine's time, as RFC 3339.
pub(crate) fn now<W>(ctx: &WorkflowContext<W>) -> String {
    let time = ctx.workflow_time().unwrap_or(std::time::UNIX_EPOCH);
    humantime::format_rfc3339_millis(time).to_string()
}

/// Shows the state of a container in the workflow that a user started.
pub(crate) async fn report<W>(ctx: &WorkflowContext<W>, root: &str, seen: Observed) {
    let root = ctx.external_workflow(root, None);
    // All three workflows have the signal. A root that has ended shows nothing.
    let _ = root.signal(BuildApp::observed, raw(&json!(seen)), Default::default()).await;
}

/// Does every job, at most `lanes` at once. The results have the order of the jobs.
pub(crate) async fn bounded<J, R>(
    jobs: Vec<J>,
    lanes: usize,
    work: impl AsyncFn(J) -> R,
) -> Vec<R> {
    let results: RefCell<Vec<Option<R>>> = RefCell::new(jobs.iter().map(|_| None).collect());
    let queue: RefCell<VecDeque<(usize, J)>> = RefCell::new(jobs.into_iter().enumerate().collect());
    let next = || queue.borrow_mut().pop_front();
    let lane = async || {
        while let Some((index, job)) = next() {
            let result = work(job).await;
            results.borrow_mut()[index] = Some(result);
        }
    };
    join_all((0..lanes.max(1)).map(|_| lane())).await;
    results.into_inner().into_iter().flatten().collect()
}
