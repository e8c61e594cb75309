//! `kiln worker`: four workers in one process, one per task queue.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use futures::future::try_join_all;
use kilnworks_activities::{Activities, metrics::metrics};
use kilnworks_workflows::names::TaskQueues;
use temporalio_sdk::{Runtime, Worker};

use super::{
    health::Health,
    listen::{self, Sources},
    probe,
    signals::Signals,
    sweep_schedule,
    telemetry::Telemetry,
    traces::Traces,
    workers::{deployment, options},
};
use crate::{
    cli::{Queue, WorkerArgs},
    engine::{Engine, connect, namespace},
    output::{Error, Exit, stdout},
    settings::{Common, Installation, LogFormat, Version},
};

/// Runs until a signal, then lets running steps end within the grace period. A signal during the start
/// ends the process at once.
pub(crate) async fn worker(
    args: WorkerArgs,
    common: Common,
    installation: Installation,
) -> Result<Exit, Error> {
    let mut signals = Signals::listen()?;
    let Some(ready) = signals.unless(make_ready(args, common, installation)).await else {
        tracing::info!("stopped before the worker started to poll");
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

/// Workers that are ready to run, and what must live as long as they do.
struct Ready {
    workers: Vec<Worker>,
    activities: Arc<Activities>,
    health: Arc<Health>,
    traces: Option<Traces>,
    _runtime: Runtime,
}

/// Connects to everything that a worker needs. Waits for an engine that is not available yet.
async fn make_ready(
    args: WorkerArgs,
    common: Common,
    installation: Installation,
) -> Result<Ready, Error> {
    let Installation { steps, grace, listen, sweeping, version } = installation;
    let traces = Traces::start()?;
    let (telemetry, health) = serve_health(listen).await?;
    metrics().sweeps_every(sweeping.every);
    let meter = telemetry.as_ref().map(Telemetry::of_connection).transpose()?.flatten();
    let engine = connect::patiently(meter).await?;
    let identity = namespace::identity(&engine).await;
    let identity = identity.context("cannot read the Temporal namespace")?;
    let activities = Activities::open(steps, &identity).await?;
    let counting = telemetry.as_ref().map(Telemetry::runtime).transpose()?;
    let runtime = Runtime::from_current_tokio(counting.unwrap_or_default())
        .context("cannot start the runtime of the workers")?;
    let queues = TaskQueues::of(&common.task_queue);
    let mut workers = Vec::new();
    for queue in &args.queues {
        let traced = traces.is_some();
        let mut options = options(*queue, &queues, activities.clone(), grace, traced)?;
        if let Some(version) = &version {
            options.deployment_options = deployment(version);
        }
        workers.push(
            Worker::new(&runtime, engine.client.clone(), options)
                .context("cannot create a worker")?,
        );
    }
    if args.queues.contains(&Queue::Main) {
        sweep_schedule::try_ensure(&engine, &sweeping).await;
    }
    let message = announcement(&sweeping.install, version.as_ref(), &workers, &engine);
    match common.log.format {
        LogFormat::Text => stdout::print(&message)?,
        LogFormat::Json => tracing::info!("{message}"),
    }
    if telemetry.is_some() {
        tokio::spawn(probe::run(engine, activities.clone(), health.clone(), queues));
    }
    Ok(Ready { workers, activities, health, traces, _runtime: runtime })
}

/// Starts metrics and health checks, if they are enabled. They start before the engine is connected: a
/// worker that waits for its engine is alive but not ready.
async fn serve_health(
    listen: Option<SocketAddr>,
) -> Result<(Option<Telemetry>, Arc<Health>), Error> {
    let telemetry = listen.map(|_| Telemetry::start()).transpose()?;
    let health = Arc::new(Health::begin());
    if let (Some(listen), Some(telemetry)) = (listen, &telemetry) {
        let sources = Sources { health: health.clone(), page: telemetry.page };
        let address = listen::start(listen, sources).await?;
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

/// Runs the workers concurrently on this thread, because their futures are not `Send`.
async fn serve(
    mut workers: Vec<Worker>,
    activities: &Activities,
    health: &Health,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let stops: Vec<_> = workers.iter().map(Worker::shutdown_handle).collect();
    let running = health.watch(try_join_all(workers.iter_mut().map(Worker::run)));
    tokio::pin!(running);
    if let Some(ended) = signals.unless(&mut running).await {
        return ended.map(drop).context("a worker ended");
    }
    tracing::info!("stopping: the worker takes no new work; a second signal ends it at once");
    health.stop();
    stops.iter().for_each(|stop| stop());
    // Another worker takes over the builds that this one waits for.
    activities.stop();
    let stopped = async { running.await.map(drop).context("a worker did not stop cleanly") };
    signals.unless(stopped).await.unwrap_or(Ok(()))
}
