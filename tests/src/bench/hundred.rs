//! A hundred builds whose Pods take no time, and a hundred such Pods alone.

use std::time::Instant;

use anyhow::Result;
use futures::future::join_all;
use kilnworks_workflows::names;

use super::{Aim, Figure, Scene, images, pods, repository::Repository};
use crate::engine::variable;

const BUILDS: usize = 100;

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    let app = scene.app();
    let prefix = format!("{}/{app}", variable("KILN_REGISTRY"));
    let digest = images::push(vec![names::repository(&prefix, &app, "web", "one")]).await;
    scene.fake_worker(Some(&digest), 2 * BUILDS as u32).await?;
    let repository = Repository::with(&[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    // A commit that is here already is not asked for.
    let document = scene.container(&app, &repository.url, &repository.commit());
    scene.build(&document).await;
    let since = pods::now(&scene.pods()).await?;
    let begun = Instant::now();
    join_all((0..BUILDS).map(|_| scene.build(&document))).await;
    let ours = begun.elapsed();
    let pod = pods::first(scene.pods(), &app, &since).await?;
    let bare: Vec<_> = (0..BUILDS).map(|number| pods::bare(&pod, &scene.name, number)).collect();
    let alone = pods::run_all(&scene.pods(), &scene.name, &bare).await?;
    let (ours, alone) = (ours.as_secs_f64(), alone.as_secs_f64());
    Ok(vec![Figure::new("wall time", "s", ours, alone, Aim::RatioAtMost(1.5))])
}
