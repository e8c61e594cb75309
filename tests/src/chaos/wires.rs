//! Registry, store, git server, API server and Temporal behind a wire that breaks.

use std::{path::PathBuf, process::Command, time::Duration};

use serde_json::{Value, json};

use super::{Case, Recipe, Scene, is_external, scene::until};
use crate::{
    engine::variable,
    stack::run,
    wire::{Mode, Wire},
};

pub(super) fn cases() -> Vec<Case> {
    let broken = |name: &str, mode| Case::new(name, move |scene| registry(scene, mode));
    let mut cases = vec![
        Case::new("git-stalls", git_stalls),
        Case::new("git-refuses", git_refuses),
        Case::new("git-resets-in-fetch", git_resets),
        Case::new("git-loses-branch", git_loses_branch),
        Case::new("watch-cut-again-and-again", watch_cut).sharp(),
        Case::new("apiserver-away", |scene| apiserver(scene, Mode::Refuse)),
        Case::new("cancel-while-apiserver-away", cancelled_away),
        Case::new("apiserver-stalls", |scene| apiserver(scene, Mode::Stall)),
        Case::new("engine-away", |scene| engine(scene, Mode::Refuse)),
        Case::new("engine-stalls", |scene| engine(scene, Mode::Stall)),
    ];
    if is_external() {
        return cases;
    }
    // Build Pods use these wires, too.
    cases.extend([
        broken("registry-503", Mode::Answer(503)).sharp(),
        broken("registry-429", Mode::Answer(429)),
        broken("registry-resets", Mode::Reset),
        Case::new("registry-gone-a-while", registry_gone).within(180),
        Case::new("registry-slow", registry_slow),
        Case::new("s3-reset-in-upload", s3_reset).sharp(),
        Case::new("s3-503", s3_503),
        Case::new("cancel-while-s3-stalls", cancelled_without_store).within(50),
    ]);
    cases
}

/// The address in a URL of the stack, as the proxy dials it.
fn address(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().expect("a host");
    host.replace("localhost", "127.0.0.1")
}

async fn to(name: &str) -> Wire {
    Wire::to(&address(&variable(name))).await
}

/// Breaks a wire for three connections, then repairs it.
async fn three_times(wire: &Wire, mode: Mode) {
    let before = wire.taken();
    wire.set(mode);
    until(|| async { wire.taken() >= before + 3 }).await;
    wire.set(Mode::Forward);
}

/// Pulls and pushes fail a few times.
async fn registry(scene: Scene, mode: Mode) {
    let wire = to("KILN_REGISTRY").await;
    scene.worker(&[]).await;
    let recipes = [Recipe::Sleep(0)];
    let build = scene.start(scene.document_by(&wire.address(), &recipes), &recipes).await;
    three_times(&wire, mode).await;
    scene.succeeds(&build).await;
}

/// The registry is away for longer than the executor retries, so the build launches another Pod.
async fn registry_gone(scene: Scene) {
    let wire = to("KILN_REGISTRY").await;
    scene.worker(&[]).await;
    let recipes = [Recipe::Sleep(4)];
    let build = scene.start(scene.document_by(&wire.address(), &recipes), &recipes).await;
    scene.running(&build).await;
    scene.moment(2.0..4.0).await;
    wire.set(Mode::Reset);
    let second = || scene.stage.pods_of(&build.app) > 1;
    until(|| async { second() }).await;
    wire.set(Mode::Forward);
    scene.succeeds(&build).await;
}

/// The registry sends and takes 20 KB per second.
async fn registry_slow(scene: Scene) {
    let wire = to("KILN_REGISTRY").await;
    wire.set(Mode::Slow(20_000));
    scene.worker(&[]).await;
    let recipes = [Recipe::Random(200_000)];
    let build = scene.start(scene.document_by(&wire.address(), &recipes), &recipes).await;
    scene.succeeds(&build).await;
}

async fn s3(scene: &Scene) -> Wire {
    let wire = to("KILN_S3_ENDPOINT").await;
    let endpoint = format!("http://{}", wire.address());
    scene.worker(&[("KILN_S3_ENDPOINT", &endpoint)]).await;
    wire
}

/// The connection breaks in the middle of a large context, twice.
async fn s3_reset(scene: Scene) {
    let wire = s3(&scene).await;
    let recipes = [Recipe::Random(40_000_000)];
    let document = scene.document(&recipes);
    wire.set(Mode::CutAfter(scene.number(1_000_000..28_000_000)));
    let build = scene.start(document, &recipes).await;
    until(|| async { wire.is_whole() }).await;
    wire.set(Mode::CutAfter(scene.number(500_000..3_000_000)));
    scene.succeeds(&build).await;
    if !wire.is_whole() {
        scene.lost("the second cut did not strike".to_owned());
    }
}

async fn s3_503(scene: Scene) {
    let wire = s3(&scene).await;
    wire.set(Mode::Answer(503));
    let build = scene.build(&[Recipe::Scratch]).await;
    // More than the client retries by itself.
    until(|| async { wire.taken() >= 8 }).await;
    wire.set(Mode::Forward);
    scene.succeeds(&build).await;
}

/// A log that cannot be kept does not delay a cancel: the Pod is deleted while the store stalls.
async fn cancelled_without_store(scene: Scene) {
    let wire = s3(&scene).await;
    let build = scene.build(&[Recipe::Sleep(60)]).await;
    scene.running(&build).await;
    wire.set(Mode::Stall);
    wire.cut();
    build.cancel().await;
    until(|| async { scene.pods(&build).await.is_empty() }).await;
    wire.set(Mode::Forward);
    scene.is_cancelled(&build).await;
}

/// A build whose source is reached through a wire.
async fn git(scene: &Scene, recipes: &[Recipe]) -> (Wire, Value) {
    let wire = to("KILN_GIT_URL").await;
    scene.worker(&[]).await;
    let mut document = scene.document(recipes);
    let url = document["defaults"]["source"]["git"]["url"].as_str().expect("a URL").to_owned();
    let through = url.replace(&variable("KILN_GIT_URL"), &format!("http://{}/git", wire.address()));
    document["defaults"]["source"]["git"]["url"] = json!(through);
    (wire, document)
}

/// The server accepts the connection and sends nothing, then closes it.
async fn git_stalls(scene: Scene) {
    let recipes = [Recipe::Scratch];
    let (wire, document) = git(&scene, &recipes).await;
    wire.set(Mode::Stall);
    let build = scene.start(document, &recipes).await;
    until(|| async { wire.taken() >= 1 }).await;
    scene.moment(1.0..5.0).await;
    wire.set(Mode::Forward);
    wire.cut();
    scene.succeeds(&build).await;
}

async fn git_refuses(scene: Scene) {
    let recipes = [Recipe::Scratch];
    let (wire, document) = git(&scene, &recipes).await;
    wire.set(Mode::Refuse);
    let build = scene.start(document, &recipes).await;
    until(|| async { wire.taken() >= 3 }).await;
    wire.set(Mode::Forward);
    scene.succeeds(&build).await;
}

/// The connection breaks in the middle of the pack.
async fn git_resets(scene: Scene) {
    let recipes = [Recipe::Random(3_000_000)];
    let (wire, document) = git(&scene, &recipes).await;
    wire.set(Mode::Slow(1_000_000));
    let build = scene.start(document, &recipes).await;
    until(|| async { wire.taken() >= 1 }).await;
    scene.moment(0.2..2.0).await;
    wire.set(Mode::Reset);
    until(|| async { wire.taken() >= 2 }).await;
    wire.set(Mode::Forward);
    scene.succeeds(&build).await;
}

/// The branch is gone: the build ends with the reason.
async fn git_loses_branch(scene: Scene) {
    scene.worker(&[]).await;
    let recipes = [Recipe::Scratch];
    let document = scene.document(&recipes);
    let url = document["defaults"]["source"]["git"]["url"].as_str().expect("a URL");
    let name = url.rsplit('/').next().expect("a name");
    let repository = PathBuf::from(variable("KILN_GIT_ROOT")).join(name);
    let lose = ["update-ref", "-d", "refs/heads/main"];
    run(Command::new("git").args(lose).current_dir(repository));
    let build = scene.start(document, &recipes).await;
    scene.fails(&build, "RevisionNotFound", "main").await;
}

/// A worker whose connections to the API server go through a wire.
async fn cluster(scene: &Scene) -> Wire {
    let kubeconfig = std::fs::read_to_string(variable("KUBECONFIG")).expect("a kubeconfig");
    let at = kubeconfig.find("https://").expect("an address");
    let server: String =
        kubeconfig[at..].chars().take_while(|one| !"\"\n ,}".contains(*one)).collect();
    let wire = Wire::to(&address(&server)).await;
    let through = kubeconfig.replace(&server, &format!("https://{}", wire.address()));
    let file = scene.directory.path().join("kubeconfig");
    std::fs::write(&file, through).expect("a file");
    scene.worker(&[("KUBECONFIG", file.to_str().expect("a path"))]).await;
    wire
}

/// Every connection to the API server is cut again and again, that of the watch too.
async fn watch_cut(scene: Scene) {
    let wire = cluster(&scene).await;
    let recipes = [Recipe::Sleep(4), Recipe::Scratch];
    let build = scene.build(&recipes).await;
    let cutting = async {
        loop {
            scene.moment(0.1..1.5).await;
            wire.cut();
        }
    };
    tokio::select! {
        _ = scene.succeeds(&build) => {}
        () = cutting => {}
    }
}

/// The API server is away for a while, at any moment of a build.
async fn apiserver(scene: Scene, mode: Mode) {
    let wire = cluster(&scene).await;
    let build = scene.build(&[Recipe::Sleep(4)]).await;
    scene.moment(0.0..6.0).await;
    wire.set(mode);
    tokio::time::sleep(Duration::from_secs(12)).await;
    wire.set(Mode::Forward);
    wire.cut();
    scene.succeeds(&build).await;
}

/// A cancel while the API server is away: the clean-up is late, and complete.
async fn cancelled_away(scene: Scene) {
    let wire = cluster(&scene).await;
    let build = scene.build(&[Recipe::Sleep(60)]).await;
    scene.running(&build).await;
    wire.set(Mode::Refuse);
    scene.moment(0.0..2.0).await;
    build.cancel().await;
    scene.moment(5.0..10.0).await;
    wire.set(Mode::Forward);
    scene.is_cancelled(&build).await;
}

/// Temporal is away for a while, and the worker reports its results later.
async fn engine(scene: Scene, mode: Mode) {
    let wire = to("TEMPORAL_ADDRESS").await;
    scene.worker(&[("TEMPORAL_ADDRESS", &wire.address())]).await;
    let build = scene.build(&[Recipe::Sleep(4)]).await;
    scene.moment(0.0..6.0).await;
    wire.set(mode);
    tokio::time::sleep(Duration::from_secs(8)).await;
    wire.set(Mode::Forward);
    wire.cut();
    scene.succeeds(&build).await;
}
