//! Looks, every few seconds, how the worker and its neighbours are: for `/readyz`, and for what is
//! not counted but measured.

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

use crate::{
    connect::Engine,
    health::{Check, Health},
    namespace,
};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// How long a neighbour may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Rights are looked at once in so many looks: they change seldom, and take twenty questions.
const RIGHTS: u32 = 60;

/// Looks for as long as the process lives.
pub(crate) async fn on(
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
            health.note(Check::Engine, answers);
            measure(&engine, &queues, is_there).await;
        };
        let cluster = async {
            health.note(Check::Cluster, within(told(activities.check_cluster())).await);
            if until_rights == 0 {
                let said = within(told(activities.check_rights())).await;
                // Asked again at once until it is passed.
                until_rights = if said.is_ok() { RIGHTS } else { 1 };
                health.note(Check::Rights, said);
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
        Watching::Begins => Err("the Pods could not be listed yet".to_owned()),
        Watching::Ended => {
            health.die("the watch over the Pods has ended");
            Err("it has ended".to_owned())
        }
    };
    if outcome.is_ok() {
        let (unfinished, limit) = activities.pods();
        metrics().pods(unfinished, limit);
    }
    health.note(Check::Watch, outcome);
}

async fn within(check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let silent = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, check).await.unwrap_or_else(|_| silent())
}

async fn told(check: impl Future<Output = anyhow::Result<()>>) -> Result<(), String> {
    check.await.map_err(|error| format!("{error:#}"))
}

async fn engine_answers(engine: &Engine) -> Result<(), String> {
    match namespace::identity(engine).await {
        Ok(_) => Ok(()),
        Err(status) => Err(status.message().to_owned()),
    }
}

/// Measures what waits in each queue, where the engine answers. It is the same for every worker of
/// the installation.
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
                // Nor would it answer for the next one.
                Err(_) => answers = false,
            }
        }
        metrics().backlog(short, word, found);
    }
}

/// How many tasks wait in a queue, and for how many seconds the oldest of them.
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
