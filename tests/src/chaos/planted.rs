//! Cases that must fail: they show that the judge finds faults.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::PostParams};

use super::{Case, Recipe, Scene};

/// Cases with a lost build, a second Pod, an orphan and a hang.
pub fn planted() -> Vec<Case> {
    let left = Case::new("planted-loss", left_behind);
    vec![
        Case { tidy: Duration::from_secs(1), ..left },
        Case::new("planted-hang", nobody_works).within(5),
    ]
}

/// A build is terminated without its clean-up, and its Pod has a copy.
async fn left_behind(scene: Scene) {
    let worker = scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(300)]).await;
    let pod = scene.running(&build).await;
    let mut double = Pod { spec: pod.spec.clone(), ..Pod::default() };
    double.metadata.name = Some(format!("{}-double", pod.name_any()));
    double.metadata.labels = pod.metadata.labels.clone();
    let pods = Api::namespaced(scene.stage.cluster.clone(), &pod.namespace().expect("one"));
    pods.create(&PostParams::default(), &double).await.expect("the double is created");
    // The children are cancelled with their parent, and a worker would clean up after them.
    worker.kill();
    build.terminate().await;
    scene.succeeds(&build).await;
}

/// No worker serves the queue.
async fn nobody_works(scene: Scene) {
    let build = scene.build(&[Recipe::Scratch]).await;
    scene.succeeds(&build).await;
}
