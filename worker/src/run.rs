//! `kiln worker`: four workers in one process, one a task queue.

use std::{net::SocketAddr, sync::Arc, thread::available_parallelism, time::Duration};

use anyhow::Context;
use futures::future::try_join_all;
use kilnworks_activities::{
    Activities,
    metrics::{ended, metrics},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, ReserveVersion, Sweep, names::TaskQueues,
};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    activities::{ActivityDefinitions, ActivityImplementer},
    runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
};

use crate::{
    cli::{Queue, WorkerArgs},
    connect::{self, Engine},
    end::{Error, Exit},
    health::Health,
    listen::{self, Answers},
    look, namespace, schedule,
    settings::{Common, Installation, LogFormat},
    signals::Signals,
    table,
    telemetry::Telemetry,
    traces::Traces,
    version::Version,
};

/// Workflows whose state is kept between their tasks: those with a task lately. One that awaits its
/// build for minutes has none meanwhile, and its history is short; one of an app with hundreds of
/// containers takes a few megabytes. So this is what bounds the memory of a busy worker.
const CACHED_WORKFLOWS: usize = 128;

/// Runs until it is told to stop, then lets running steps end within the grace period. Told so
/// before it serves, it ends at once.
pub(crate) async fn worker(
    args: WorkerArgs,
    common: Common,
    installation: Installation,
) -> Result<Exit, Error> {
    let mut signals = Signals::listen()?;
    let Some(ready) = signals.unless(make_ready(args, common, installation)).await else {
        tracing::info!("stopped before it served");
        return Ok(Exit::Success);
    };
    let Ready { workers, activities, health, traces, _runtime } = ready?;
    let served = serve(workers, &activities, &health, signals).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    served?;
    Ok(Exit::Success)
}

/// Workers that only have to be run, and what lives as long as they do.
struct Ready {
    workers: Vec<Worker>,
    activities: Arc<Activities>,
    health: Arc<Health>,
    traces: Option<Traces>,
    _runtime: Runtime,
}

/// Finds all that a worker needs, and waits for what is not there yet.
async fn make_ready(
    args: WorkerArgs,
    common: Common,
    installation: Installation,
) -> Result<Ready, Error> {
    let Installation { steps, grace, listen, sweeping, version } = installation;
    let traces = Traces::start()?;
    let (telemetry, health) = answer(listen).await?;
    metrics().sweeps_every(sweeping.every);
    let meter = telemetry.as_ref().map(Telemetry::of_connection).transpose()?.flatten();
    let engine = connect::patiently(meter).await?;
    let identity = namespace::identity(&engine).await;
    let identity = identity.context("cannot look at the Temporal namespace")?;
    let launches = args.queues.contains(&Queue::Launch);
    let activities = Activities::open(steps, &identity, launches).await?;
    let counting = telemetry.as_ref().map(Telemetry::runtime).transpose()?;
    let runtime = Runtime::from_current_tokio(counting.unwrap_or_default())
        .context("cannot start the runtime of the workers")?;
    let queues = TaskQueues::of(&common.task_queue);
    let mut workers = Vec::new();
    for queue in &args.queues {
        let traced = traces.is_some();
        let mut options = options(*queue, &queues, activities.clone(), grace, traced)?;
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
    let said = announcement(&sweeping.install, version.as_ref(), &workers, &engine);
    match common.log.format {
        LogFormat::Text => table::print(&said)?,
        LogFormat::Json => tracing::info!("{said}"),
    }
    if telemetry.is_some() {
        tokio::spawn(look::on(engine, activities.clone(), health.clone(), queues));
    }
    Ok(Ready { workers, activities, health, traces, _runtime: runtime })
}

/// Counts, and answers for the worker, where that is wanted. It does so before there is an engine:
/// who waits for one lives, and is not ready.
async fn answer(listen: Option<SocketAddr>) -> Result<(Option<Telemetry>, Arc<Health>), Error> {
    let telemetry = listen.map(|_| Telemetry::start()).transpose()?;
    let health = Arc::new(Health::begin());
    if let (Some(listen), Some(telemetry)) = (listen, &telemetry) {
        let answers = Answers { health: health.clone(), page: telemetry.page };
        let address = listen::start(listen, answers).await?;
        tracing::info!(%address, "answers /metrics, /healthz and /readyz");
    }
    Ok((telemetry, health))
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
    traced: bool,
) -> anyhow::Result<WorkerOptions> {
    let (name, slots) = match queue {
        Queue::Main => (&queues.main, 100),
        // These use a core each where they compute, which is seen to there, and wait for a registry
        // or the store otherwise.
        Queue::Source => (&queues.source, 2 * available_parallelism()?.get()),
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
        .workflow_interceptor(ended::counting())
        .register_activities(Shared(activities));
    if traced {
        options = options.worker_plugin(Traces::plugin());
    }
    let mut options = options.build();
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
async fn serve(
    mut workers: Vec<Worker>,
    activities: &Activities,
    health: &Health,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let stops: Vec<_> = workers.iter().map(Worker::shutdown_handle).collect();
    let running = health.beside(try_join_all(workers.iter_mut().map(Worker::run)));
    tokio::pin!(running);
    if let Some(ended) = signals.unless(&mut running).await {
        activities.stop();
        activities.stopped().await;
        return ended.map(drop).context("a worker ended");
    }
    tracing::info!("stopping: no new work; a second signal ends at once");
    health.stop();
    stops.iter().for_each(|stop| stop());
    // What is launched goes on elsewhere at once: there is nothing to wait for.
    activities.stop();
    let stopped = async {
        let ended = running.await.map(drop).context("a worker did not stop in order");
        activities.stopped().await;
        ended
    };
    signals.unless(stopped).await.unwrap_or(Ok(()))
}
