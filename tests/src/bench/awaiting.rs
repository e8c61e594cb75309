//! What a build that is awaited costs its worker.

use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, stream};
use kilnworks_workflows::BuildContainer;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{Aim, Figure, Scene, process::usage, repository::Repository};
use crate::engine::eventually;

const FEW: usize = 100;
const MANY: usize = 1000;

/// How many builds are started at once.
const AT_ONCE: usize = 50;

/// How long a worker is looked at.
const SPAN: Duration = Duration::from_secs(15);

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    let worker = scene.fake_worker(None, 2 * MANY as u32).await?;
    let repository = Repository::with(&[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let app = scene.app();
    let mut document = scene.container(&app, &repository.url, &repository.commit());
    // Builds of the same would share one Pod.
    document["defaults"]["reuse"] = json!("never");
    start(scene, &app, &document, FEW, FEW).await;
    let few = usage(worker, SPAN).await?;
    start(scene, &app, &document, MANY - FEW, MANY).await;
    let many = usage(worker, SPAN).await?;
    let slope = |few: f64, many: f64| (many - few) / (MANY - FEW) as f64;
    let memory = slope(few.kilobytes, many.kilobytes);
    Ok(vec![
        Figure::alone("memory", "KB", memory, Aim::AtMost(40.0)),
        Figure::alone("one core", "%", slope(few.percent, many.percent), Aim::AtMost(0.02)),
        Figure::alone("memory with 100", "MB", few.kilobytes / 1000.0, Aim::None),
        Figure::alone("memory with 1,000", "MB", many.kilobytes / 1000.0, Aim::None),
        Figure::alone("one core with 1,000", "%", many.percent, Aim::None),
    ])
}

/// Starts so many more builds, and waits until so many Pods run. Then the worker has nothing else
/// to do than to await them.
async fn start(scene: &Scene, app: &str, document: &Value, more: usize, all: usize) {
    let starting = stream::iter(0..more).map(|_| scene.start(BuildContainer::run, document));
    starting.buffer_unordered(AT_ONCE).for_each(|_| async {}).await;
    let pods = scene.pods();
    let own = ListParams::default().labels(&format!("kiln.io/app={app}"));
    let running = own.fields("status.phase=Running");
    eventually(&format!("{all} Pods to run"), Duration::from_secs(240), async || {
        let found = pods.list_metadata(&running).await.ok()?;
        (found.items.len() >= all).then_some(())
    })
    .await;
    // The last ones are still taken up.
    tokio::time::sleep(Duration::from_secs(5)).await;
}
