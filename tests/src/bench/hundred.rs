//! A hundred builds whose executor has nothing to do, and a hundred such Pods alone.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::future::join_all;
use kilnworks_workflows::names;
use serde_json::{Value, json};

use super::{Aim, Figure, Scene, images, pods, repository::Repository};
use crate::{engine::variable, stack::run};

const BUILDS: usize = 100;

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    let repository = Repository::with(&[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let app = scene.app();
    let prefix = format!("{}/{app}", variable("KILN_REGISTRY"));
    let digest = images::push(vec![names::repository(&prefix, &app, "web", "one")]).await;
    // The worker does not ask for a commit that it has.
    let mut document = scene.container(&app, &repository.url, &repository.commit());
    document["defaults"]["resources"] = json!({"cpu": "1m", "memory": "16Mi"});
    scene.fake_worker(Some(&digest), 2 * BUILDS as u32).await?;
    let fake = both(scene, &app, &document, 0).await?;
    scene.stop_workers();
    let executor = format!("{}/{}/true:1", variable("KILN_REGISTRY"), scene.name);
    push_true(&executor, &digest);
    let most = (2 * BUILDS).to_string();
    scene.worker(&[("KILN_EXECUTOR_IMAGE", &executor), ("KILN_MAX_BUILDS", &most)]).await;
    let real = both(scene, &app, &document, 1).await?;
    let figure = |of, (ours, alone): (Duration, Duration), aim| {
        Figure::new(of, "s", ours.as_secs_f64(), alone.as_secs_f64(), aim)
    };
    Ok(vec![
        figure("`true` on the node", real, Aim::RatioAtMost(1.5)),
        figure("instant, by kwok", fake, Aim::None),
    ])
}

/// How long the builds take, and how long their Pods take alone.
async fn both(
    scene: &Scene,
    app: &str,
    document: &Value,
    round: usize,
) -> Result<(Duration, Duration)> {
    // Equal builds would wait for one Pod.
    let numbered = |number: usize| {
        let mut document = document.clone();
        document["container"]["labels"] = json!({"number": (round * 1000 + number).to_string()});
        document
    };
    scene.build(&numbered(BUILDS)).await;
    let since = pods::now(&scene.pods()).await?;
    let documents: Vec<_> = (0..BUILDS).map(numbered).collect();
    let begun = Instant::now();
    join_all(documents.iter().map(|document| scene.build(document))).await;
    let ours = begun.elapsed();
    let pod = pods::first(scene.pods(), app, &since).await?;
    let group = format!("{}-{round}", scene.name);
    let bare: Vec<_> = (0..BUILDS).map(|number| pods::bare(&pod, &group, number)).collect();
    let alone = pods::run_all(&scene.pods(), &group, &bare).await?;
    pods::remove(&scene.pods(), &format!("{}={group}", pods::SCENE)).await?;
    Ok((ours, alone))
}

/// An executor that builds nothing: it says that it pushed the image that is there.
fn push_true(reference: &str, digest: &str) {
    let script = format!("/bin/sh,-c,printf %s {digest} >/dev/termination-log");
    let mut crane = Command::new("crane");
    crane.args(["mutate", "--insecure", "--entrypoint", &script, "-t", reference]);
    run(crane.arg(variable("KILN_BASE_IMAGE")));
}
