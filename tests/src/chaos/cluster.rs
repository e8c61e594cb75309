//! Parts of the stack that stop and start again: the cluster's, one at a time, and a Temporal server
//! with a database of its own.

use std::{path::Path, process::Command, time::Duration};

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use super::{Case, Recipe, Scene, engine::Server, is_external, scene::until};
use crate::stack::run;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new("engine-restart", engine_restart).sharp()];
    if is_external() {
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

/// A part of the stack that is stopped. It starts again when this value is dropped.
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

/// The Pod ends while no kubelet on its node reports it.
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

/// The containers run on without their runtime.
async fn containerd_restart(scene: Scene) {
    scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(8)]).await;
    scene.running(&build).await;
    scene.moment(0.0..3.0).await;
    Away::take("containerd").await.back().await;
    scene.succeeds(&build).await;
}

/// The cluster gives the node up. The build whose Pod ended with the node launches a new Pod. The image
/// of a Pod that had pushed by then counts.
async fn node_lost(scene: Scene) {
    scene.worker(&[]).await;
    let ended = scene.build(&[Recipe::Sleep(9)]).await;
    let pushed = scene.build(&[Recipe::Sleep(8)]).await;
    let (pod, _) = (scene.running(&ended).await, scene.running(&pushed).await);
    let neighbour = Neighbour::of(scene.stage.cluster.clone());
    let away = Away::take("kubelet").await;
    end_processes(&pod.uid().expect("a UID"));
    tokio::select! {
        () = until(|| async { scene.stage.pods_of(&ended.app) > 1 }) => {}
        () = neighbour.lives() => {}
    }
    away.back().await;
    neighbour.leaves().await;
    for (build, attempts) in [(&ended, 2), (&pushed, 1)] {
        let output = scene.succeeds(build).await;
        let image = output.map(|mut output| output.images.remove(0));
        if image.as_ref().is_some_and(|image| image.attempts != attempts) {
            scene.lost(format!("it should take {attempts} Pods: {image:?}"));
        }
    }
}

/// A node that takes no Pods but reports that it is ready. A cluster without any ready node evicts no
/// Pods, as the fault may be its own.
struct Neighbour(Api<Node>);

impl Neighbour {
    const NAME: &str = "kiln-neighbour";

    fn of(cluster: Client) -> Self {
        Self(Api::all(cluster))
    }

    async fn lives(&self) {
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": Self::NAME},
            "spec": {"unschedulable": true},
        });
        let apply = PatchParams::apply("kiln-chaos").force();
        self.0.patch(Self::NAME, &apply, &Patch::Apply(node)).await.expect("a node");
        loop {
            let now = k8s_openapi::jiff::Timestamp::now().to_string();
            let ready = json!({"status": {"conditions": [{
                "type": "Ready", "status": "True", "reason": "Lives", "message": "it lives",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }]}});
            let merge = PatchParams::default();
            let _ = self.0.patch_status(Self::NAME, &merge, &Patch::Merge(ready)).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    async fn leaves(&self) {
        let _ = self.0.delete(Self::NAME, &DeleteParams::default()).await;
    }
}

/// Kills a Pod's processes, as a power cut of its machine does.
fn end_processes(uid: &str) {
    let script = r#"find /sys/fs/cgroup/ -path "*/pod$0/*" -name cgroup.procs -exec cat {} + |
        sort -u | xargs --no-run-if-empty kill -KILL"#;
    run(Command::new("bash").args(["-c", script, uid]));
}

/// Temporal dies twice in the middle of a build, and keeps its database only.
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
