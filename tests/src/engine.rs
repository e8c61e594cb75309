//! A real engine: a client of the stack's Temporal server, and workers on queues of their own.

use std::{future::Future, time::Duration};

use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, ReserveVersion, Sweep,
    build::raw,
    names::TaskQueues,
    output::{BuildOutput, FailureDetails},
};
use serde_json::Value;
use temporalio_client::{
    Client, ClientOptions, Connection, UntypedWorkflow, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions, WorkflowHandle, WorkflowStartOptions,
    envconfig::LoadClientConfigProfileOptions, errors::WorkflowGetResultError,
};
use temporalio_common::{
    HasWorkflowDefinition,
    data_converters::RawValue,
    error::IncomingError,
    protos::temporal::api::history::v1::{HistoryEvent, history_event::Attributes},
};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
};

use crate::fakes::FakeSteps;

/// A variable of `.local/env`.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; run `make up`, then `. .local/env`, or just `make test`")
    })
}

/// A client of the stack's server.
pub async fn client() -> Client {
    variable("TEMPORAL_ADDRESS");
    let (connection, options) =
        ClientOptions::load_from_config(LoadClientConfigProfileOptions::default())
            .expect("the TEMPORAL_* variables are right");
    let connection = Connection::connect(connection).await.expect("the server answers");
    Client::new(connection, options).expect("the options are right")
}

/// Runs a test beside a worker whose steps are fakes. Every test has task queues of its own.
pub async fn with_fakes<T>(steps: FakeSteps, test: impl AsyncFnOnce(Client, String) -> T) -> T {
    with_fakes_within(Duration::from_secs(120), steps, test).await
}

/// The same for a test that may take so long.
pub async fn with_fakes_within<T>(
    limit: Duration,
    steps: FakeSteps,
    test: impl AsyncFnOnce(Client, String) -> T,
) -> T {
    let client = client().await;
    let prefix = format!("test-{}", uuid::Uuid::new_v4().simple());
    let queues = TaskQueues::of(&prefix);
    let runtime = Runtime::from_current_tokio(Default::default()).expect("a runtime");
    let mut main = Worker::new(
        &runtime,
        client.clone(),
        WorkerOptions::new(&queues.main)
            .register_workflow::<BuildApp>()
            .and_then(|options| options.register_workflow::<BuildComponent>())
            .and_then(|options| options.register_workflow::<BuildContainer>())
            .and_then(|options| options.register_workflow::<ReserveVersion>())
            .and_then(|options| options.register_workflow::<Sweep>())
            .expect("the workflows register")
            .register_activities(steps.clone())
            .graceful_shutdown_period(Duration::from_secs(1))
            .build(),
    )
    .expect("a worker");
    let launch = queues.launch.clone();
    let mut others = [queues.source, queues.launch, queues.await_build].map(|queue| {
        let slots = steps.launch_slots.filter(|_| queue == launch).unwrap_or(100);
        let options = WorkerOptions::new(queue)
            .tuner(few(slots))
            .register_activities(steps.clone())
            .graceful_shutdown_period(Duration::from_secs(1))
            .build();
        Worker::new(&runtime, client.clone(), options).expect("a worker")
    });
    let stop = std::iter::once(main.shutdown_handle());
    let stop: Vec<_> = stop.chain(others.iter().map(|worker| worker.shutdown_handle())).collect();
    let [source, launch, await_build] = &mut others;
    let test = async {
        let outcome = tokio::time::timeout(limit, test(client, prefix)).await;
        stop.iter().for_each(|stop| stop());
        outcome.expect("the test ends in its time")
    };
    let (outcome, ..) =
        tokio::join!(test, main.run(), source.run(), launch.run(), await_build.run());
    outcome
}

/// So many steps at once.
fn few(slots: usize) -> TunerHolder {
    TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(slots))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build()
}

/// Starts a workflow on a queue.
pub async fn start<W>(
    client: &Client,
    workflow: W,
    queue: &str,
    id: &str,
    document: Value,
) -> WorkflowHandle<Client, W>
where
    W: HasWorkflowDefinition<Input = RawValue>,
{
    let options = WorkflowStartOptions::new(queue, id).build();
    client.start_workflow(workflow, raw(&document), options).await.expect("the workflow starts")
}

/// How a workflow ended.
#[derive(Debug)]
pub enum End {
    Succeeded(BuildOutput),
    Failed(String, FailureDetails),
    Cancelled,
}

impl End {
    pub fn output(self) -> BuildOutput {
        match self {
            Self::Succeeded(output) => output,
            other => panic!("the build should have succeeded: {other:?}"),
        }
    }

    pub fn failure(self) -> (String, FailureDetails) {
        match self {
            Self::Failed(kind, details) => (kind, details),
            other => panic!("the build should have failed: {other:?}"),
        }
    }
}

/// Waits for the end of a workflow.
pub async fn end<W>(handle: &WorkflowHandle<Client, W>) -> End
where
    W: HasWorkflowDefinition<Output = BuildOutput>,
{
    match handle.get_result(WorkflowGetResultOptions::default()).await {
        Ok(output) => End::Succeeded(output),
        Err(WorkflowGetResultError::Cancelled { .. }) => End::Cancelled,
        Err(WorkflowGetResultError::Failed(error)) => match *error {
            IncomingError::Application(app) => {
                let details = app.details().ok().flatten().unwrap_or_default();
                End::Failed(app.type_name().unwrap_or_default().to_owned(), details)
            }
            other => panic!("the workflow should fail with a type of its own: {other:?}"),
        },
        Err(error) => panic!("the workflow should have an end: {error}"),
    }
}

/// The events of a workflow's history.
pub async fn history(client: &Client, id: &str) -> Vec<HistoryEvent> {
    let workflow = client.get_workflow_handle::<UntypedWorkflow>(id);
    let history = workflow.fetch_history(WorkflowFetchHistoryOptions::default());
    history.into_events().await.expect("the history is there")
}

/// The name of the activity that an event schedules.
pub fn scheduled(event: &HistoryEvent) -> Option<String> {
    match event.attributes.as_ref()? {
        Attributes::ActivityTaskScheduledEventAttributes(it) => {
            Some(it.activity_type.as_ref()?.name.clone())
        }
        _ => None,
    }
}

/// The names of the activities that a workflow scheduled, in their order.
pub async fn activities(client: &Client, id: &str) -> Vec<String> {
    history(client, id).await.iter().filter_map(scheduled).collect()
}

/// Waits until a condition holds, and says for what it waited in vain.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut check: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let until = tokio::time::Instant::now() + limit;
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < until, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
