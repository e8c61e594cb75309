//! What a worker uses per build that it awaits.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::{StreamExt, stream};
use kilnworks_workflows::BuildContainer;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{Aim, Figure, Scene, process::usage, repository::Repository};
use crate::engine::eventually;

/// How many builds are started at a time, and how many there are in the end.
const STEP: usize = 100;
const ALL: usize = 1000;

/// After this time no more builds are started: a slow machine compares fewer, and reports how many.
const BEGINNING: Duration = Duration::from_secs(150);

/// How many builds are started at once.
const AT_ONCE: usize = 50;

/// How long a worker is measured, and how long it rests before that, as it takes its last builds.
const SPAN: Duration = Duration::from_secs(15);
const REST: Duration = Duration::from_secs(5);

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    let worker = scene.fake_worker(None, 2 * ALL as u32).await?;
    let repository = Repository::with(&[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let app = scene.app();
    let mut document = scene.container(&app, &repository.url, &repository.commit());
    // Equal builds would wait for one Pod.
    document["defaults"]["reuse"] = json!("never");
    start(scene, &app, &document, STEP).await;
    let few = usage(worker, SPAN).await?;
    let (begun, mut running) = (Instant::now(), STEP);
    while running < ALL && begun.elapsed() < BEGINNING {
        running += STEP;
        start(scene, &app, &document, running).await;
    }
    ensure!(running > STEP, "no more than {STEP} builds could be started");
    let many = usage(worker, SPAN).await?;
    let slope = |few: f64, many: f64| (many - few) / (running - STEP) as f64;
    let memory = slope(few.kilobytes, many.kilobytes);
    let of = |what: &str, builds: usize| format!("{what} with {builds}");
    let alone = |of: String, unit, number| Figure::alone(&of, unit, number, Aim::None);
    Ok(vec![
        Figure::alone("memory per build", "KB", memory, Aim::AtMost(40.0)),
        Figure::alone(
            "of a core per build",
            "%",
            slope(few.percent, many.percent),
            Aim::AtMost(0.02),
        ),
        alone(of("memory", STEP), "MB", few.kilobytes / 1000.0),
        alone(of("memory", running), "MB", many.kilobytes / 1000.0),
        alone(of("of a core", STEP), "%", few.percent),
        alone(of("of a core", running), "%", many.percent),
    ])
}

/// Starts more builds, and waits until `all` Pods run. Then the worker has nothing to do but to await
/// them.
async fn start(scene: &Scene, app: &str, document: &Value, all: usize) {
    let starting = stream::iter(0..STEP).map(|_| scene.start(BuildContainer::run, document));
    starting.buffer_unordered(AT_ONCE).for_each(|_| async {}).await;
    let pods = scene.pods();
    let own = ListParams::default().labels(&format!("kiln.io/app={app}"));
    let running = own.fields("status.phase=Running");
    eventually(&format!("{all} Pods to run"), Duration::from_secs(120), async || {
        let found = pods.list_metadata(&running).await.ok()?;
        (found.items.len() >= all).then_some(())
    })
    .await;
    tokio::time::sleep(REST).await;
}
