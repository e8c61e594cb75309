//! Equal builds at the same time, on the real stack: the second one waits for the Pod of the first one.

use std::process::Command;

use k8s_openapi::api::core::v1::Pod;
use kilnworks_tests::{
    engine::{End, client, eventually, variable},
    registry::config,
    stack::{PATIENCE, Worker, cluster, ended, kiln, pods, publish, run, spec, start, unique},
};
use kilnworks_workflows::{BuildApp, output::ContainerImage, progress::State};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use temporalio_client::WorkflowQueryOptions;

/// Two apps whose only containers are equal.
struct Pair {
    worker: Worker,
    cluster: Client,
    /// Apps and workflow ids at once: the owner of the Pod, and the build that waits for it.
    ids: [String; 2],
    document: Value,
}

impl Pair {
    /// Two apps that share a registry prefix with nobody else. Neither is started.
    async fn new(name: &str, settings: &[(&str, &str)], instructions: &str) -> Self {
        let prefix = format!("{}/{}", variable("KILN_REGISTRY"), unique("share"));
        let dockerfile = format!("FROM {}\n{instructions}\n", variable("KILN_BASE_IMAGE"));
        let url = publish(&unique("share"), &[("Dockerfile", &dockerfile)]);
        let mut document = spec("none", &url, json!([{"name": "one"}]));
        document["defaults"]["registry"]["prefix"] = json!(prefix);
        let ids = ["owner", "other"].map(|role| unique(&format!("{name}-{role}")));
        let worker = Worker::start(&unique("share"), settings).await;
        Self { worker, cluster: cluster().await, ids, document }
    }

    fn start(&self, id: &str) {
        let mut document = self.document.clone();
        document["app"] = json!(id);
        start("BuildApp", &self.worker.queue, id, &document);
    }

    /// Starts the other build once the owner's Pod runs, waits until the other one waits for that Pod,
    /// and returns the Pod.
    async fn share(&self) -> Pod {
        let [owner, other] = &self.ids;
        self.start(owner);
        let pod = self.running(owner).await;
        self.start(other);
        let client = client().await;
        let handle = client.get_workflow_handle::<BuildApp>(other);
        eventually("the other build to wait", PATIENCE, async || {
            let options = WorkflowQueryOptions::default();
            let progress = handle.query(BuildApp::progress, (), options).await.ok()?;
            (progress.containers.first()?.state == State::Building).then_some(())
        })
        .await;
        assert!(pods(&self.cluster, other).await.is_empty(), "the other has no Pod of its own");
        pod
    }

    /// Waits until the Pod of an app runs.
    async fn running(&self, app: &str) -> Pod {
        eventually("the Pod to run", PATIENCE, async || {
            let pod = pods(&self.cluster, app).await.into_iter().next()?;
            let is_running = pod.status.as_ref()?.phase.as_deref() == Some("Running");
            (is_running && pod.metadata.deletion_timestamp.is_none()).then_some(pod)
        })
        .await
    }

    async fn gone(&self) {
        eventually("the Pods to be gone", PATIENCE, async || {
            let [owner, other] =
                [pods(&self.cluster, &self.ids[0]), pods(&self.cluster, &self.ids[1])];
            (owner.await.is_empty() && other.await.is_empty()).then_some(())
        })
        .await;
    }

    /// The image of a build that has succeeded with so many Pods, in its own repository and under its
    /// own tags.
    async fn image(&self, id: &str, attempts: u32) -> ContainerImage {
        let image = ended(id).await.output().images.remove(0);
        assert_eq!((image.attempts, image.reused), (attempts, attempts == 0), "{image:?}");
        let repository = image.reference.split('@').next().expect("a repository");
        assert!(repository.contains(id), "{repository}");
        assert!(!image.tags.is_empty(), "{image:?}");
        for tag in &image.tags {
            let tagged = format!("{repository}:{tag}");
            let mut crane = Command::new("crane");
            assert_eq!(run(crane.args(["digest", &tagged, "--insecure"])).trim(), image.digest);
        }
        assert_eq!(config(&image.reference)["os"], "linux");
        image
    }
}

fn cancel(id: &str) {
    run(Command::new("temporal").args(["workflow", "cancel", "--workflow-id", id]));
}

/// One Pod, whose name says whose it is, makes the images of both.
async fn one_pod_makes_both(settings: &[(&str, &str)]) {
    let instructions = "RUN for i in $(seq 12); do echo said $i; sleep 1; done";
    let pair = Pair::new("both", settings, instructions).await;
    let pod = pair.share().await;
    let [owner, other] = &pair.ids;
    let name = pod.name_any();
    assert!(name.starts_with(&format!("{owner}-web-one-1-")), "{name}");
    let images = [pair.image(owner, 1).await, pair.image(other, 0).await];
    assert_eq!(images[0].digest, images[1].digest);
    let log = run(Command::new(kiln()).args(["logs", owner]));
    assert!(log.contains("\nsaid 12\n"), "{log}");
    pair.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apps_have_one_pod_and_an_image_each() {
    one_pod_makes_both(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apps_have_one_job_and_an_image_each() {
    one_pod_makes_both(&[("KILN_LAUNCHER", "job")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_the_owner_deletes_its_pod_and_the_other_launches_its_own() {
    let pair = Pair::new("cancel", &[], "RUN sleep 15").await;
    pair.share().await;
    let [owner, other] = &pair.ids;
    cancel(owner);
    assert!(matches!(ended(owner).await, End::Cancelled));
    pair.running(other).await;
    pair.image(other, 1).await;
    pair.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_the_other_leaves_the_pod_alone() {
    let pair = Pair::new("cancel", &[], "RUN sleep 15").await;
    let pod = pair.share().await;
    let [owner, other] = &pair.ids;
    cancel(other);
    assert!(matches!(ended(other).await, End::Cancelled));
    assert_eq!(pair.running(owner).await.uid(), pod.uid());
    pair.image(owner, 1).await;
    pair.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_builds_of_a_killed_worker_wait_for_the_same_pod() {
    let mut pair = Pair::new("kill", &[], "RUN sleep 20").await;
    let pod = pair.share().await;
    pair.worker.kill();
    let _next = pair.worker.another().await;
    let [owner, other] = &pair.ids;
    assert_eq!(pair.running(owner).await.uid(), pod.uid());
    let images = [pair.image(owner, 1).await, pair.image(other, 0).await];
    assert_eq!(images[0].digest, images[1].digest);
    pair.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_without_reuse_have_a_pod_each() {
    let mut pair = Pair::new("never", &[], "RUN sleep 10").await;
    pair.document["defaults"]["reuse"] = json!("never");
    for id in &pair.ids {
        pair.start(id);
    }
    for id in &pair.ids {
        pair.running(id).await;
    }
    for id in &pair.ids {
        pair.image(id, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_the_owners_and_the_other_fails_with_a_pod_of_its_own() {
    let pair = Pair::new("fail", &[], "RUN echo first\nRUN sleep 8; exit 7").await;
    let pod = pair.share().await;
    let mut failed = Vec::new();
    for id in &pair.ids {
        let (kind, details) = ended(id).await.failure();
        let failure = &details.failures[0];
        assert_eq!((kind.as_str(), failure.exit_code), ("BuildFailed", Some(7)));
        assert_eq!(failure.line, Some(3), "{failure:?}");
        assert_eq!(failure.container, "one");
        let log = failure.log.as_deref().unwrap_or_default();
        assert!(log.ends_with("/1/") && failure.log_tail.contains("exit status 7"), "{failure:?}");
        failed.extend(failure.pod.clone());
    }
    let [owners, others] = failed.try_into().expect("two Pods");
    assert_eq!(owners, pod.name_any());
    assert_ne!(owners, others);
}
