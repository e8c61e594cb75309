//! A rebuild that finds its layers in the cache, and the executor alone with the same cache.

use anyhow::Result;
use serde_json::json;

use super::{Aim, Figure, Scene, pods, repository::Repository, statistics::median};
use crate::engine::variable;

/// How often each is measured.
const RUNS: usize = 7;

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    scene.worker(&[]).await;
    let dockerfile = format!(
        "FROM {}\nCOPY packages /\nRUN seq 400000 | sort -R > /installed\nCOPY source /\n",
        variable("KILN_BASE_IMAGE")
    );
    let repository =
        Repository::with(&[("Dockerfile", &dockerfile), ("packages", "1"), ("source", "0")]);
    let app = scene.app();
    let mut document = scene.container(&app, &repository.url, "main");
    document["defaults"]["cache"] = json!({});
    // It fills the cache.
    scene.build(&document).await;
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for number in 1..=RUNS {
        repository.change(&[("source", &number.to_string())]);
        let since = pods::now(&scene.pods()).await?;
        let (took, _) = scene.build(&document).await;
        ours.push(took);
        let pod = pods::first(scene.pods(), &app, &since).await?;
        alone.push(pods::run(&scene.pods(), &pods::bare(&pod, &scene.name, number)).await?);
    }
    let aim = Aim::RatioAtMost(1.1);
    Ok(vec![Figure::new("median", "s", median(&ours), median(&alone), aim)])
}
