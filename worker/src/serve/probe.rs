//! Checks the engine and the cluster every few seconds, for `/readyz` and for gauges.

use std::{sync::Arc, time::Duration};

use kilnworks_activities::{Activities, cluster::Watching, metrics::metrics};
use kilnworks_workflows::names::TaskQueues;
use temporalio_client::{
    grpc::WorkflowService,
    tonic::{IntoRequest, Status},
};
use temporalio_common::protos::temporal::api::{
    enums::v1::TaskQueueType, taskqueue::v1::TaskQueue,
    workflowservice::v1::DescribeTaskQueueRequest,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::health::{Check, Health};
use crate::engine::{Engine, namespace};

/// Pause between two rounds of checks.
const PAUSE: Duration = Duration::from_secs(5);

/// Timeout of a check.
const PATIENCE: Duration = Duration::from_secs(5);

/// Permissions are checked once in so many rounds, because they rarely change and take twenty calls.
const RIGHTS: u32 = 60;

/// Checks until the process ends.
pub(super) async fn run(
    engine: Engine,
    activities: Arc<Activities>,
    health: Arc<Health>,
    queues: TaskQueues,
) {
    let mut tick = interval(PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until_rights = 0;
    loop {
        tick.tick().await;
        let backlogs = async {
            let answers = within(engine_answers(&engine)).await;
            let answers = answers.map_err(|why| format!("{why} (at {})", engine.address));
            let is_there = answers.is_ok();
            health.record(Check::Engine, answers);
            measure(&engine, &queues, is_there).await;
        };
        let cluster = async {
            health.record(Check::Cluster, within(message(activities.check_cluster())).await);
            if until_rights == 0 {
                let rights = within(message(activities.check_rights())).await;
                // Check again in the next round until the check passes.
                until_rights = if rights.is_ok() { RIGHTS } else { 1 };
                health.record(Check::Rights, rights);
            }
            until_rights -= 1;
        };
        tokio::join!(backlogs, cluster);
        watch(&activities, &health);
        metrics().waiting();
    }
}

fn watch(activities: &Activities, health: &Health) {
    let outcome = match activities.watching() {
        Watching::Runs => Ok(()),
        Watching::Begins => Err("the Pods are not listed yet".to_owned()),
        Watching::Ended => {
            health.die("the watch over the Pods has ended");
            Err("the watch has ended".to_owned())
        }
    };
    if outcome.is_ok() {
        let (unfinished, limit) = activities.pods();
        metrics().pods(unfinished, limit);
    }
    health.record(Check::Watch, outcome);
}

async fn within(check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let silent = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, check).await.unwrap_or_else(|_| silent())
}

async fn message(check: impl Future<Output = anyhow::Result<()>>) -> Result<(), String> {
    check.await.map_err(|error| format!("{error:#}"))
}

async fn engine_answers(engine: &Engine) -> Result<(), String> {
    let identity = namespace::identity(engine).await;
    identity.map(drop).map_err(|status| status.message().to_owned())
}

/// Measures the backlog of each queue, if the engine answers. The values are the same for every worker
/// of the installation.
async fn measure(engine: &Engine, queues: &TaskQueues, mut answers: bool) {
    use TaskQueueType::{Activity, Workflow};
    let all = [
        ("main", &queues.main, Workflow, "workflow"),
        ("main", &queues.main, Activity, "activity"),
        ("source", &queues.source, Activity, "activity"),
        ("launch", &queues.launch, Activity, "activity"),
        ("await", &queues.await_build, Activity, "activity"),
    ];
    for (short, name, kind, word) in all {
        let mut found = None;
        if answers {
            match timeout(PATIENCE, backlog(engine, name, kind)).await {
                Ok(Ok(measured)) => found = Some(measured),
                Ok(Err(status)) => {
                    tracing::debug!(queue = name, "cannot measure a queue: {}", status.message());
                }
                // The next queue would time out, too.
                Err(_) => answers = false,
            }
        }
        metrics().backlog(short, word, found);
    }
}

/// The number of tasks in a queue, and the age of the oldest task in seconds.
async fn backlog(engine: &Engine, name: &str, kind: TaskQueueType) -> Result<(u64, u64), Status> {
    let request = DescribeTaskQueueRequest {
        namespace: engine.namespace.clone(),
        task_queue: Some(TaskQueue { name: name.to_owned(), ..TaskQueue::default() }),
        task_queue_type: kind as i32,
        report_stats: true,
        ..DescribeTaskQueueRequest::default()
    };
    let mut service = engine.client.connection().clone();
    let described = service.describe_task_queue(request.into_request()).await?.into_inner();
    let stats = described.stats.unwrap_or_default();
    let age = stats.approximate_backlog_age.map_or(0, |age| age.seconds);
    let natural = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok((natural(stats.approximate_backlog_count), natural(age)))
}
