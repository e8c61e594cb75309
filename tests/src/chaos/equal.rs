//! Equal builds at the same time: the second one waits for the Pod of the first one.

use k8s_openapi::api::core::v1::Pod;
use kilnworks_workflows::output::BuildOutput;
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::{Value, json};

use super::{Build, Case, Hand, Recipe, Scene};

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        Case::new("equal-builds", |scene| both_succeed(scene, "pod")),
        Case::new("equal-builds-by-jobs", |scene| both_succeed(scene, "job")),
        Case::new("equal-builds-kill", killed),
        Case::new("equal-builds-cancel-first", first_cancelled),
        Case::new("equal-builds-cancel-second", second_cancelled),
        Case::new("equal-builds-pod-deleted", pod_deleted),
        Case::new("equal-builds-first-fails", first_fails),
    ];
    cases.into_iter().map(|case| case.within(180)).collect()
}

/// Two builds of the same image, of two apps.
struct Pair {
    scene: Scene,
    worker: Hand,
    first: Build,
    second: Build,
}

impl Pair {
    /// Starts the first build, then the second one, and waits until the second one waits for the Pod
    /// of the first one. `timeouts` are the first one's.
    async fn start(scene: Scene, launcher: &str, seconds: u64, timeouts: Value) -> Self {
        let worker = scene.worker(&[("KILN_LAUNCHER", launcher)]).await;
        let recipes = [Recipe::Sleep(seconds)];
        let mut document = scene.document(&recipes);
        let mut equal = document.clone();
        // The prefix stays the first app's: equal builds have the repository of kept images in common.
        equal["app"] = json!(format!("{}-equal", scene.name));
        document["defaults"]["timeouts"] = timeouts;
        let first = scene.start(document, &recipes).await;
        scene.running(&first).await;
        let second = scene.start(equal, &recipes).await;
        scene.says_it_waits(&second, "state: Building").await;
        let pair = Self { scene, worker, first, second };
        pair.took_pods("before the fault", 1, 0);
        pair
    }

    /// How many Pods each of the two had.
    fn took_pods(&self, when: &str, first: usize, second: usize) {
        let of = |build: &Build| self.scene.stage.pods_of(&build.app);
        let pods = (of(&self.first), of(&self.second));
        if pods != (first, second) {
            self.scene.lost(format!("{when}: {pods:?} Pods, not {:?}", (first, second)));
        }
    }

    async fn both_succeed(&self) {
        let first = self.scene.succeeds(&self.first).await;
        let second = self.scene.succeeds(&self.second).await;
        let digest = |output: Option<BuildOutput>| output.map(|it| it.images[0].digest.clone());
        if digest(first) != digest(second) {
            self.scene.lost("the two images differ".to_owned());
        }
    }
}

/// One Pod makes the image of both.
async fn both_succeed(scene: Scene, launcher: &'static str) {
    let pair = Pair::start(scene, launcher, 20, json!({})).await;
    pair.both_succeed().await;
    pair.took_pods("at the end", 1, 0);
}

/// The worker that waits for both dies, and the next one waits for the same Pod.
async fn killed(scene: Scene) {
    let pair = Pair::start(scene, "pod", 20, json!({})).await;
    pair.worker.kill();
    pair.scene.worker(&[]).await;
    pair.both_succeed().await;
    pair.took_pods("at the end", 1, 0);
}

/// A user cancels the build whose Pod it is: the other one launches its own Pod.
async fn first_cancelled(scene: Scene) {
    let pair = Pair::start(scene, "pod", 20, json!({})).await;
    pair.first.cancel().await;
    pair.scene.is_cancelled(&pair.first).await;
    pair.scene.succeeds(&pair.second).await;
    pair.took_pods("at the end", 1, 1);
}

/// A user cancels the build that waits: the Pod is not its own, and goes on.
async fn second_cancelled(scene: Scene) {
    let pair = Pair::start(scene, "pod", 20, json!({})).await;
    pair.second.cancel().await;
    pair.scene.is_cancelled(&pair.second).await;
    pair.scene.succeeds(&pair.first).await;
    pair.took_pods("at the end", 1, 0);
}

/// Someone deletes the Pod: one of the two builds launches the next one, and the other waits for it.
async fn pod_deleted(scene: Scene) {
    let pair = Pair::start(scene, "pod", 20, json!({})).await;
    let pod = pair.scene.running(&pair.first).await;
    let namespace = pod.namespace().expect("a namespace");
    let pods = Api::<Pod>::namespaced(pair.scene.stage.cluster.clone(), &namespace);
    pods.delete(&pod.name_any(), &DeleteParams::default()).await.expect("it is deleted");
    pair.both_succeed().await;
    let again = pair.scene.stage.pods_of(&pair.second.app);
    pair.took_pods("at the end", 2 - again, again);
}

/// The first build fails by a timeout that the second one does not have: it launches its own Pod.
async fn first_fails(scene: Scene) {
    let pair = Pair::start(scene, "pod", 40, json!({"building": "25s"})).await;
    pair.scene.fails(&pair.first, "DeadlineExceeded", "building").await;
    pair.scene.succeeds(&pair.second).await;
    pair.took_pods("at the end", 1, 1);
}
