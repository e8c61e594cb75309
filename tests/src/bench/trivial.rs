//! A trivial build on a free cluster, and the same Pod alone.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{
    Aim, Figure, Scene, pods,
    repository::Repository,
    statistics::{median, percentile},
};

/// How often each is measured.
const RUNS: usize = 20;

/// How often a whole app is.
const APPS: usize = 5;

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    scene.worker(&[]).await;
    let repository =
        Repository::with(&[("Dockerfile", "FROM scratch\nCOPY file /\n"), ("file", "0")]);
    let app = scene.app();
    let document = scene.container(&app, &repository.url, "main");
    // The first one fetches all, and opens every connection.
    scene.build(&document).await;
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for number in 0..RUNS {
        repository.change(&[("file", &format!("change {number}"))]);
        at_any_moment().await;
        let since = pods::now(&scene.pods()).await?;
        let (took, _) = scene.build(&document).await;
        ours.push(took);
        let pod = pods::first(scene.pods(), &app, &since).await?;
        at_any_moment().await;
        alone.push(pods::run(&scene.pods(), &pods::bare(&pod, &scene.name, number)).await?);
    }
    let apps = apps(scene, &repository).await;
    let more = Aim::MoreAtMost(0.3);
    Ok(vec![
        Figure::new("median", "s", median(&ours), median(&alone), more),
        Figure::new("p95", "s", percentile(&ours, 0.95), percentile(&alone, 0.95), Aim::None),
        Figure::new("as an app, with packages", "s", median(&apps), median(&alone), Aim::None),
    ])
}

/// Waits for some part of a second. The kubelet looks once a second which containers have ended: runs
/// that all begin right after a look, as each does after the one before, may all just meet the next
/// one, or all just miss it.
async fn at_any_moment() {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1000))).await;
}

/// The same container as an app of its own, which is delivered as a package.
async fn apps(scene: &Scene, repository: &Repository) -> Vec<Duration> {
    let document = crate::stack::spec(&scene.app(), &repository.url, json!([{"name": "one"}]));
    let mut apps = Vec::new();
    for number in 0..APPS {
        repository.change(&[("file", &format!("app {number}"))]);
        at_any_moment().await;
        apps.push(scene.build_app(&document).await.0);
    }
    apps
}
