//! Parts of the stack that stop and come back: the cluster's, one at a time, and an engine with a
//! database of its own.

use std::{path::Path, process::Command};

use super::{Case, Recipe, Scene, engine::Server, scene::until};
use crate::stack::run;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new("engine-restart", engine_restart)];
    // Nobody else's cluster is stopped.
    if std::env::var("KILN_STACK").is_ok_and(|stack| stack == "external") {
        return cases;
    }
    let restarted = |part: &'static str| {
        Case::new(format!("{part}-restart"), move |scene| restart(scene, part)).alone()
    };
    cases.extend(["apiserver", "etcd", "scheduler", "controller-manager"].map(restarted));
    cases.push(Case::new("kubelet-restart", kubelet_restart).alone());
    cases.push(Case::new("containerd-restart", containerd_restart).alone());
    cases.push(Case::new("node-lost", node_lost).alone().within(300));
    cases
}

/// A part of the stack that is away. It is back when this value is gone, whatever happens.
struct Away(&'static str);

impl Away {
    async fn take(part: &'static str) -> Self {
        let away = Self(part);
        blocking(move || script("stop", part)).await;
        away
    }

    async fn back(self) {
        blocking(move || drop(self)).await;
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        script("start", self.0);
    }
}

fn script(verb: &str, part: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/local/part");
    run(Command::new(script).args([verb, part]));
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.expect("the part stops and starts");
}

/// A part of the control plane is away for some seconds, at any moment of a build.
async fn restart(scene: Scene, part: &'static str) {
    scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(5), Recipe::Scratch]).await;
    scene.moment(0.0..6.0).await;
    let away = Away::take(part).await;
    scene.moment(1.0..6.0).await;
    away.back().await;
    scene.succeeds(&build).await;
}

/// The Pod ends while nobody on its node can say so.
async fn kubelet_restart(scene: Scene) {
    scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(5)]).await;
    scene.running(&build).await;
    scene.moment(0.0..3.0).await;
    let away = Away::take("kubelet").await;
    scene.moment(6.0..12.0).await;
    away.back().await;
    scene.succeeds(&build).await;
}

/// The containers go on without their runtime.
async fn containerd_restart(scene: Scene) {
    scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(8)]).await;
    scene.running(&build).await;
    scene.moment(0.0..3.0).await;
    Away::take("containerd").await.back().await;
    scene.succeeds(&build).await;
}

/// The node is given up by the cluster: a new Pod, which finds a node when there is one.
async fn node_lost(scene: Scene) {
    scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(8)]).await;
    scene.running(&build).await;
    let away = Away::take("kubelet").await;
    until(|| async { scene.stage.pods_of(&build.app) > 1 }).await;
    away.back().await;
    let output = scene.succeeds(&build).await;
    if output.is_some_and(|output| output.images[0].attempts != 2) {
        scene.lost("a lost node should cost one attempt".to_owned());
    }
}

/// The engine dies in the middle of a build, twice, and its database is all that it keeps.
async fn engine_restart(scene: Scene) {
    let mut server = Server::start(scene.directory.path()).await;
    scene.worker(&[("TEMPORAL_ADDRESS", &server.address())]).await;
    let recipes = [Recipe::Sleep(4), Recipe::Scratch];
    let engine = server.client().await;
    let build = scene.start_on(&engine, scene.document(&recipes), &recipes).await;
    for _ in 0..2 {
        scene.moment(0.5..5.0).await;
        server.kill();
        scene.moment(0.0..2.0).await;
        server.again().await;
    }
    scene.succeeds(&build).await;
}
