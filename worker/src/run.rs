//! `kiln worker`: four workers in one process, one a task queue.

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use anyhow::Context;
use futures::future::try_join_all;
use kilnworks_activities::Activities;
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, ReserveVersion, Sweep, names::TaskQueues,
};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    activities::{ActivityDefinitions, ActivityImplementer},
    runtime::{
        RuntimeOptions,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{Queue, WorkerArgs},
    connect::{self, Engine},
    end::{Error, Exit},
    namespace, schedule,
    settings::{Common, Installation},
    table,
    version::Version,
};

/// Workflows whose state is kept between their tasks. One of an app with hundreds of containers
/// takes a few megabytes, so this is what bounds the memory of a busy worker.
const CACHED_WORKFLOWS: usize = 600;

/// Runs until it is told to stop, then lets running steps end within the grace period.
pub(crate) async fn worker(
    args: WorkerArgs,
    common: Common,
    installation: Installation,
) -> Result<Exit, Error> {
    let engine = connect::patiently().await?;
    let Installation { steps, grace, sweeping, version } = installation;
    let identity = namespace::identity(&engine).await;
    let identity = identity.context("cannot look at the Temporal namespace")?;
    let activities = Activities::open(steps, &identity).await?;
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default())
        .context("cannot start the runtime of the workers")?;
    let queues = TaskQueues::of(&common.task_queue);
    let mut workers = Vec::new();
    for queue in &args.queues {
        let mut options = options(*queue, &queues, activities.clone(), grace)?;
        if let Some(version) = &version {
            options.deployment_options = version.options();
        }
        workers.push(
            Worker::new(&runtime, engine.client.clone(), options)
                .context("cannot make a worker")?,
        );
    }
    if args.queues.contains(&Queue::Main) {
        schedule::keep(&engine, &sweeping).await;
    }
    table::print(&announcement(&sweeping.install, version.as_ref(), &workers, &engine))?;
    serve(workers).await?;
    Ok(Exit::Success)
}

fn announcement(
    install: &str,
    version: Option<&Version>,
    workers: &[Worker],
    engine: &Engine,
) -> String {
    let queues: Vec<_> = workers.iter().map(Worker::task_queue).collect();
    let (queues, address) = (queues.join(", "), &engine.address);
    let version = version.map_or_else(String::new, |one| format!(" as version `{}`", one.build_id));
    format!("worker of `{install}`{version} polls {queues} on {address}")
}

/// What one worker serves. Only the main queue has workflows; which steps come over a queue is
/// decided by the policy table alone, so each could do them all.
fn options(
    queue: Queue,
    queues: &TaskQueues,
    activities: Arc<Activities>,
    grace: Duration,
) -> anyhow::Result<WorkerOptions> {
    let (name, slots) = match queue {
        Queue::Main => (&queues.main, 100),
        // These use a core each.
        Queue::Source => (&queues.source, available_parallelism()?.get()),
        // Few: what waits behind them is the build queue, in the engine.
        Queue::Launch => (&queues.launch, 4),
        // These only wait, and must never wait behind one another.
        Queue::Await => (&queues.await_build, 2000),
    };
    let slots = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(slots))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(100))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let mut options = WorkerOptions::new(name)
        .tuner(slots)
        .max_cached_workflows(CACHED_WORKFLOWS)
        .graceful_shutdown_period(grace)
        .register_activities(Shared(activities))
        .build();
    if queue == Queue::Main {
        options
            .register_workflow::<BuildApp>()?
            .register_workflow::<BuildComponent>()?
            .register_workflow::<BuildContainer>()?
            .register_workflow::<ReserveVersion>()?
            .register_workflow::<Sweep>()?;
    }
    Ok(options)
}

/// The activities, which four workers have together.
struct Shared(Arc<Activities>);

impl ActivityImplementer for Shared {
    fn register_all(self: Arc<Self>, definitions: &mut ActivityDefinitions) {
        self.0.clone().register_all(definitions);
    }
}

/// Runs the workers side by side on this thread, as their futures cannot leave it.
async fn serve(mut workers: Vec<Worker>) -> anyhow::Result<()> {
    let stops: Vec<_> = workers.iter().map(Worker::shutdown_handle).collect();
    let running = try_join_all(workers.iter_mut().map(Worker::run));
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.map(drop).context("a worker ended"),
        asked = asked_to_stop() => asked?,
    }
    tracing::info!("stopping: no new work; a second signal ends at once");
    stops.iter().for_each(|stop| stop());
    tokio::select! {
        ended = &mut running => ended.map(drop).context("a worker did not stop in order"),
        asked = asked_to_stop() => asked,
    }
}

async fn asked_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
