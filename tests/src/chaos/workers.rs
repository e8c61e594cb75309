//! Workers that die, fail and stop, and people who cancel.

use std::{process::Command, time::Duration};

use tokio::task::JoinHandle;

use super::{Case, Recipe, Scene};
use crate::stack::{kiln, run};

/// Every step of a build. The sweep has cases of its own.
const STEPS: [&str; 10] = [
    "split",
    "check_version",
    "fetch_source",
    "render",
    "upload",
    "launch",
    "await_build",
    "resolve_image",
    "deliver",
    "clean_up",
];

/// Two containers in which every step occurs.
const EVERY_STEP: [Recipe; 2] = [Recipe::Scratch, Recipe::Use];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for step in STEPS {
        for moment in ["before", "after"] {
            let name = format!("kill-{moment}-{step}");
            let is_sharp = matches!(name.as_str(), "kill-after-launch" | "kill-before-clean_up");
            let case = Case::new(name, move |scene| killed(scene, step, moment, &[]));
            cases.push(if is_sharp { case.sharp() } else { case });
            let name = format!("fail-{moment}-{step}");
            cases.push(Case::new(name, move |scene| failed(scene, step, moment)));
        }
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
    for (moment, step) in [("after", "launch"), ("before", "await_build"), ("before", "clean_up")] {
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

/// The worker ends at a step; another one, on another machine, goes on.
async fn killed(
    scene: Scene,
    step: &'static str,
    moment: &'static str,
    settings: &'static [(&'static str, &'static str)],
) {
    let fault = format!("{step}:{moment}:kill");
    let struck = [settings, &[("KILN_FAULT", &fault)]].concat();
    let worker = scene.worker(&struck).await;
    let build = scene.build(&EVERY_STEP).await;
    worker.ended().await;
    scene.worker(settings).await;
    scene.succeeds(&build).await;
}

/// The same of a worker that only launches and awaits: each launch has a step of its own then.
async fn killed_of_a_role(scene: Scene, step: &'static str, moment: &'static str) {
    const ROLE: (&str, &str) = ("--queues", "launch,await");
    scene.worker(&[("--queues", "main,source")]).await;
    let fault = format!("{step}:{moment}:kill");
    let worker = scene.worker(&[ROLE, ("KILN_FAULT", &fault)]).await;
    let build = scene.build(&EVERY_STEP).await;
    worker.ended().await;
    scene.worker(&[ROLE]).await;
    scene.succeeds(&build).await;
}

/// A step fails once, before its work or when it did it: the engine hears the same.
async fn failed(scene: Scene, step: &'static str, moment: &'static str) {
    let worker = scene.worker(&[("KILN_FAULT", &format!("{step}:{moment}:fail"))]).await;
    let build = scene.build(&EVERY_STEP).await;
    scene.succeeds(&build).await;
    worker.says("fault point").await;
}

/// Someone cancels while a step is at work.
async fn cancelled(scene: Scene, step: &'static str) {
    // An await is in its middle while the Pod runs; what others made is there already.
    let moment = if step == "await_build" { "before" } else { "after" };
    // No cancel reaches a clean-up: it is waited for.
    let kind = if step == "clean_up" { "wait" } else { "hang" };
    let worker = scene.worker(&[("KILN_FAULT", &format!("{step}:{moment}:{kind}"))]).await;
    // The Pod's life is what an await is about, and a launch is followed by one.
    let is_long = matches!(step, "launch" | "await_build");
    let recipe = if is_long { Recipe::Sleep(20) } else { Recipe::Scratch };
    let build = scene.build(&[recipe, Recipe::Use]).await;
    worker.says("fault point").await;
    build.cancel().await;
    scene.is_cancelled(&build).await;
}

/// A terminated build runs no clean-up. The sweep that is to do it is struck, and does it again.
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
    // What has just ended is left alone for a while.
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

/// An operator stops the worker while a Pod runs; the next worker goes on with it.
async fn stopped(scene: Scene) {
    let worker = scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(15)]).await;
    scene.running(&build).await;
    scene.moment(0.0..3.0).await;
    worker.stop().await;
    scene.worker(&[]).await;
    let output = scene.succeeds(&build).await;
    if output.is_some_and(|output| output.images[0].attempts != 1) {
        scene.lost("the Pod did not go on".to_owned());
    }
}

/// The worker dies right after a cancel; the next one cleans up.
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

/// The same id is started twice: one build, and a clear error.
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
