//! How many builds per second Temporal carries where the steps do nothing, and how many events each
//! container takes. Both are information: the walk has no aim for them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::join_all;
use kilnworks_workflows::BuildApp;
use serde_json::{Value, json};
use temporalio_client::Client;

use super::{
    Aim, Figure, Scene, floor,
    scene::{events, family},
    statistics::median,
};
use crate::{
    engine::{end, start, with_fakes},
    fakes::FakeSteps,
    stack::unique,
};

/// Apps that are built at once, each of so many components of so many containers.
const APPS: usize = 3;
const COMPONENTS: usize = 6;
const CONTAINERS: usize = 7;

/// How often each is measured, in turn. The median counts, as the machine has other work, too.
const ROUNDS: usize = 5;

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    let builds = APPS * COMPONENTS * CONTAINERS;
    let (mut ours, mut alone, mut all) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (time, events) = round(&scene.name).await?;
        ours.push(time);
        all += events;
        alone.push(floor::run(scene, builds, 4).await?.time);
    }
    let rate = |times: &[Duration]| builds as f64 / median(times);
    let each = all as f64 / (ROUNDS * builds) as f64;
    Ok(vec![
        Figure::new("builds per second", "", rate(&ours), rate(&alone), Aim::None),
        Figure::alone("events per container", "", each, Aim::None),
    ])
}

/// Builds every app once with steps that do nothing.
async fn round(name: &str) -> Result<(Duration, usize)> {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let begun = Instant::now();
        let ids: Vec<_> = (0..APPS).map(|_| unique(name)).collect();
        let families = join_all(ids.iter().map(|id| build(&client, &queue, id))).await;
        let time = begun.elapsed();
        let families: Vec<_> = families.into_iter().flatten().collect();
        ensure!(families.len() == APPS * (1 + COMPONENTS * (1 + CONTAINERS)), "{families:?}");
        Ok((time, events(&client, &families).await?))
    })
    .await
}

async fn build(client: &Client, queue: &str, id: &str) -> Vec<String> {
    let handle = start(client, BuildApp::run, queue, id, document()).await;
    family(id, &end(&handle).await.output())
}

fn document() -> Value {
    let containers: Vec<_> =
        (0..CONTAINERS).map(|number| json!({"name": format!("c{number}")})).collect();
    let components: Vec<_> = (0..COMPONENTS)
        .map(|number| json!({"name": format!("p{number}"), "containers": containers}))
        .collect();
    json!({
        "apiVersion": "kilnworks/v1",
        "app": "bench",
        "maxParallel": COMPONENTS * CONTAINERS,
        "defaults": {
            "registry": {"prefix": "registry.example.com/bench"},
            "source": {"git": {"url": "https://git.example.com/bench.git", "revision": "main"}}
        },
        "components": components,
    })
}
