//! Workers that die, fail and stop, and users who cancel.

use std::{process::Command, time::Duration};

use tokio::task::JoinHandle;

use super::{Case, Recipe, Scene};
use crate::stack::{kiln, run};

/// The steps of a build, in the order of the walk. The sweep has cases of its own.
const STEPS: [&str; 14] = [
    "split",
    "check_version",
    "fetch_source",
    "find_images",
    "render",
    "find_image",
    "upload",
    "launch",
    "await_build",
    "index",
    "tag",
    "clean_up",
    "resolve_image",
    "deliver",
];

/// Containers in whose build a step runs.
fn recipes(step: &str) -> [Recipe; 2] {
    match step {
        "index" => [Recipe::TwoPlatforms, Recipe::Use],
        _ => [Recipe::Scratch, Recipe::Use],
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for step in STEPS {
        for moment in ["before", "after"] {
            let name = format!("kill-{moment}-{step}");
            let is_sharp = matches!(name.as_str(), "kill-after-launch" | "kill-before-clean_up");
            let case = Case::new(name, move |scene| killed(scene, step, moment, &[]));
            cases.push(if is_sharp { case.sharp() } else { case });
        }
        cases.push(Case::new(format!("fail-after-{step}"), move |scene| failed(scene, step)));
        let case = Case::new(format!("cancel-in-{step}"), move |scene| cancelled(scene, step));
        cases.push(if step == "launch" { case.sharp() } else { case });
    }
    for (name, step, settings) in [
        ("kill-after-launch-of-job", "launch", &[("KILN_LAUNCHER", "job")]),
        ("kill-in-await-of-job", "await_build", &[("KILN_LAUNCHER", "job")]),
        ("kill-after-upload-to-volume", "upload", &[("KILN_STORE", "volume")]),
    ] {
        let moment = if step == "await_build" { "before" } else { "after" };
        cases.push(Case::new(name, move |scene| killed(scene, step, moment, settings)));
    }
    for (moment, step) in [("after", "launch"), ("before", "await_build")] {
        let name = format!("kill-{moment}-{step}-of-a-role");
        let case = Case::new(name, move |scene| killed_of_a_role(scene, step, moment));
        cases.push(if step == "launch" { case.sharp() } else { case });
    }
    cases.push(Case::new("kill-two-workers", two_killed).sharp());
    cases.push(Case::new("kill-again-and-again", killed_again_and_again));
    cases.push(Case::new("stop-worker", stopped).sharp());
    for (name, fault) in [
        ("kill-before-sweep", "sweep:before:kill"),
        ("kill-after-sweep", "sweep:after:kill"),
        ("fail-after-sweep", "sweep:after:fail"),
    ] {
        cases.push(Case::new(name, move |scene| swept(scene, fault)).within(180));
    }
    cases.push(Case::new("cancel-and-kill", cancelled_and_killed));
    cases.push(Case::new("start-twice", started_twice));
    cases
}

/// The worker dies at a step, and another worker, as on another machine, takes over.
async fn killed(
    scene: Scene,
    step: &'static str,
    moment: &'static str,
    settings: &'static [(&'static str, &'static str)],
) {
    let fault = format!("{step}:{moment}:kill");
    let struck = [settings, &[("KILN_FAULT", &fault)]].concat();
    let worker = scene.worker(&struck).await;
    let build = scene.build(&recipes(step)).await;
    worker.ended().await;
    scene.worker(settings).await;
    scene.succeeds(&build).await;
}

/// The same for a worker that only launches and awaits.
async fn killed_of_a_role(scene: Scene, step: &'static str, moment: &'static str) {
    const ROLE: (&str, &str) = ("--queues", "launch,await");
    scene.worker(&[("--queues", "main,source")]).await;
    let fault = format!("{step}:{moment}:kill");
    let worker = scene.worker(&[ROLE, ("KILN_FAULT", &fault)]).await;
    let build = scene.build(&recipes(step)).await;
    worker.ended().await;
    scene.worker(&[ROLE]).await;
    scene.succeeds(&build).await;
}

/// A step fails once, after its work is done.
async fn failed(scene: Scene, step: &'static str) {
    let worker = scene.worker(&[("KILN_FAULT", &format!("{step}:after:fail"))]).await;
    let build = scene.build(&recipes(step)).await;
    scene.succeeds(&build).await;
    worker.says("fault point").await;
}

/// A user cancels the build while a step runs.
async fn cancelled(scene: Scene, step: &'static str) {
    // The middle of an `await_build` is while the Pod runs. Every other step has done its work.
    let moment = if step == "await_build" { "before" } else { "after" };
    // A cancel does not reach `clean_up`: the workflow waits for its end.
    let kind = if step == "clean_up" { "wait" } else { "hang" };
    let worker = scene.worker(&[("KILN_FAULT", &format!("{step}:{moment}:{kind}"))]).await;
    let build = match step {
        // The Pod is to run when the cancel comes.
        "launch" | "await_build" => scene.build(&[Recipe::Sleep(20), Recipe::Use]).await,
        _ => scene.build(&recipes(step)).await,
    };
    worker.says("fault point").await;
    build.cancel().await;
    scene.is_cancelled(&build).await;
}

/// A terminated build runs no clean-up. The fault strikes the sweep that is to delete its Pod, and the
/// sweep's next run deletes it.
async fn swept(scene: Scene, fault: &'static str) {
    const SETTING: (&str, &str) = ("KILN_SWEEP_AFTER", "1s");
    let first = scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(300)]).await;
    scene.running(&build).await;
    first.kill();
    for part in ["", "/web", "/web/c0"] {
        let id = format!("{}{part}", build.id);
        run(Command::new("temporal").args(["workflow", "terminate", "--workflow-id", &id]));
    }
    let worker = scene.worker(&[SETTING, ("KILN_FAULT", fault)]).await;
    let first = sweep(&scene);
    if fault.ends_with("kill") {
        worker.ended().await;
        scene.worker(&[SETTING]).await;
    }
    first.await.expect("the sweep ends");
    worker.says("fault point").await;
    // The sweep leaves the Pod of a workflow alone that has just ended.
    while !scene.pods(&build).await.is_empty() {
        sweep(&scene).await.expect("the sweep ends");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

fn sweep(scene: &Scene) -> JoinHandle<String> {
    let mut sweep = Command::new(kiln());
    sweep.args(["sweep", "--task-queue", &scene.name]);
    tokio::task::spawn_blocking(move || run(&mut sweep))
}

/// Two workers share the builds, and both die at once.
async fn two_killed(scene: Scene) {
    let (one, two) = (scene.worker(&[]).await, scene.worker(&[]).await);
    let builds = [
        scene.build(&[Recipe::Sleep(4), Recipe::Scratch]).await,
        scene.build(&[Recipe::Scratch]).await,
    ];
    scene.moment(0.0..8.0).await;
    one.kill();
    two.kill();
    scene.worker(&[]).await;
    for build in &builds {
        scene.succeeds(build).await;
    }
}

/// One worker after the other dies.
async fn killed_again_and_again(scene: Scene) {
    let mut worker = scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(4), Recipe::Scratch]).await;
    for _ in 0..4 {
        scene.moment(0.5..4.0).await;
        worker.kill();
        worker = scene.worker(&[]).await;
    }
    scene.succeeds(&build).await;
}

/// An operator stops the worker while a Pod runs, and the next worker waits for the same Pod.
async fn stopped(scene: Scene) {
    let worker = scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(15)]).await;
    scene.running(&build).await;
    scene.moment(0.0..3.0).await;
    worker.stop().await;
    scene.worker(&[]).await;
    let output = scene.succeeds(&build).await;
    if output.is_some_and(|output| output.images[0].attempts != 1) {
        scene.lost("the build took a second Pod".to_owned());
    }
}

/// The worker dies right after a cancel, and the next worker cleans up.
async fn cancelled_and_killed(scene: Scene) {
    let worker = scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(60)]).await;
    scene.running(&build).await;
    build.cancel().await;
    scene.moment(0.0..0.5).await;
    worker.kill();
    scene.worker(&[]).await;
    scene.is_cancelled(&build).await;
}

/// A user starts the same id twice: there is one build, and a clear error.
async fn started_twice(scene: Scene) {
    scene.worker(&[]).await;
    let recipes = [Recipe::Sleep(3)];
    let document = scene.document(&recipes);
    let build = scene.start(document.clone(), &recipes).await;
    match scene.again(&build, &document).await {
        Err(error) if error.contains("already started") => {}
        other => scene.lost(format!("a used id should be refused: {other:?}")),
    }
    scene.succeeds(&build).await;
}
