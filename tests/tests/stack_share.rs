//! Builds of the same thing at the same time, on the real stack: one Pod for both.

use std::{collections::BTreeMap, process::Command};

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kilnworks_tests::{
    engine::{End, client, end, eventually, variable},
    registry::config,
    stack::{PATIENCE, Worker, cluster, kiln, pods, publish, run, spec, start, unique},
};
use kilnworks_workflows::{BuildApp, names::MEMBER_PREFIX};
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::{Value, json};

/// Two apps whose only containers are the same.
struct Pair {
    worker: Worker,
    cluster: Client,
    /// Apps and workflow ids at once: the one that makes the Pod, and the one that joins it.
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
        let ids = ["maker", "joiner"].map(|role| unique(&format!("{name}-{role}")));
        let worker = Worker::start(&unique("share"), settings).await;
        Self { worker, cluster: cluster().await, ids, document }
    }

    fn start(&self, id: &str) {
        let mut document = self.document.clone();
        document["app"] = json!(id);
        start("BuildApp", &self.worker.queue, id, &document);
    }

    /// Starts the second one once the first one's Pod runs, waits until both share it, and gives
    /// its UID. Of a Job it is the Pod's.
    async fn share(&self) -> String {
        let [maker, joiner] = &self.ids;
        self.start(maker);
        eventually("the Pod to run", PATIENCE, async || self.running(maker).await).await;
        self.start(joiner);
        eventually("both to share it", PATIENCE, async || {
            (self.members(maker).await == 2).then_some(())
        })
        .await;
        assert!(pods(&self.cluster, joiner).await.is_empty(), "the other has none of its own");
        self.running(maker).await.expect("the Pod").uid().expect("a UID")
    }

    async fn running(&self, app: &str) -> Option<Pod> {
        let pod = pods(&self.cluster, app).await.into_iter().next()?;
        let running = pod.status.as_ref()?.phase.as_deref() == Some("Running");
        (running && pod.metadata.deletion_timestamp.is_none()).then_some(pod)
    }

    /// How many share what an app made.
    async fn members(&self, app: &str) -> usize {
        let of = |labels: &BTreeMap<String, String>| {
            labels.keys().filter(|label| label.starts_with(MEMBER_PREFIX)).count()
        };
        let pods = pods(&self.cluster, app).await;
        let jobs: Api<Job> = Api::namespaced(self.cluster.clone(), &variable("KILN_NAMESPACE"));
        let selector = ListParams::default().labels(&format!("kiln.io/app={app}"));
        let jobs = jobs.list(&selector).await.expect("the Jobs");
        let counts = pods.iter().map(|pod| of(pod.labels()));
        counts.chain(jobs.iter().map(|job| of(job.labels()))).sum()
    }

    async fn gone(&self) {
        eventually("the Pod to be gone", PATIENCE, async || {
            let left = [pods(&self.cluster, &self.ids[0]), pods(&self.cluster, &self.ids[1])];
            let [maker, joiner] = left;
            (maker.await.is_empty() && joiner.await.is_empty()).then_some(())
        })
        .await;
    }

    /// The image of a build that has succeeded, seen under its own name and tags.
    async fn image(&self, id: &str) -> String {
        let output = ended(id).await.output();
        let image = &output.images[0];
        assert_eq!(image.attempts, 1, "{image:?}");
        let repository = image.reference.split('@').next().expect("a repository");
        assert!(repository.contains(id), "{repository}");
        for tag in &image.tags {
            let tagged = format!("{repository}:{tag}");
            let mut crane = Command::new("crane");
            assert_eq!(run(crane.args(["digest", &tagged, "--insecure"])).trim(), image.digest);
        }
        assert_eq!(config(&image.reference)["os"], "linux");
        image.digest.clone()
    }
}

async fn ended(id: &str) -> End {
    let client = client().await;
    let handle = client.get_workflow_handle::<BuildApp>(id);
    tokio::time::timeout(PATIENCE, end(&handle)).await.expect("the build ends in its time")
}

fn cancel(id: &str) {
    run(Command::new("temporal").args(["workflow", "cancel", "--workflow-id", id]));
}

fn log(id: &str) -> String {
    run(Command::new(kiln()).args(["logs", id]))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apps_have_one_pod_and_an_image_each() {
    let pair =
        Pair::new("both", &[], "RUN for i in $(seq 12); do echo said $i; sleep 1; done").await;
    pair.share().await;
    let [maker, joiner] = &pair.ids;
    eventually("the log of the shared Pod", PATIENCE, async || {
        log(joiner).contains("\nsaid 3\n").then_some(())
    })
    .await;
    assert_eq!(pair.image(maker).await, pair.image(joiner).await);
    for id in &pair.ids {
        assert!(log(id).contains("\nsaid 12\n"), "{}", log(id));
    }
    pair.gone().await;
}

/// One of two is cancelled: the other goes on with the same Pod.
async fn cancelled(cancelled: usize, settings: &[(&str, &str)]) {
    let pair = Pair::new("cancel", settings, "RUN sleep 15").await;
    let pod = pair.share().await;
    let maker = &pair.ids[0];
    cancel(&pair.ids[cancelled]);
    assert!(matches!(ended(&pair.ids[cancelled]).await, End::Cancelled));
    let left = pair.running(maker).await.expect("the Pod runs");
    assert_eq!(left.uid(), Some(pod));
    assert_eq!(pair.members(maker).await, 1);
    pair.image(&pair.ids[1 - cancelled]).await;
    pair.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_who_made_it_leaves_it_to_the_other() {
    cancelled(0, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_who_joined_leaves_it_to_the_first() {
    cancelled(1, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_shared_and_left_too() {
    cancelled(0, &[("KILN_LAUNCHER", "job")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_one_to_leave_ends_it() {
    let pair = Pair::new("last", &[], "RUN sleep 600").await;
    pair.share().await;
    pair.ids.iter().for_each(|id| cancel(id));
    for id in &pair.ids {
        assert!(matches!(ended(id).await, End::Cancelled));
    }
    pair.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_s_builds_go_on_with_the_same_pod() {
    let mut pair = Pair::new("kill", &[], "RUN sleep 20").await;
    let pod = pair.share().await;
    pair.worker.kill();
    let _next = pair.worker.another().await;
    let left = pair.running(&pair.ids[0]).await.expect("the Pod runs");
    assert_eq!(left.uid(), Some(pod));
    let [maker, joiner] = &pair.ids;
    assert_eq!(pair.image(maker).await, pair.image(joiner).await);
    pair.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_that_want_no_reuse_have_a_pod_each() {
    let mut pair = Pair::new("never", &[], "RUN sleep 10").await;
    pair.document["defaults"]["reuse"] = json!("never");
    for id in &pair.ids {
        pair.start(id);
    }
    for id in &pair.ids {
        eventually("a Pod of its own", PATIENCE, async || pair.running(id).await).await;
        assert_eq!(pair.members(id).await, 0);
    }
    for id in &pair.ids {
        pair.image(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_both_s_and_nobody_s_who_comes_later() {
    let pair = Pair::new("fail", &[], "RUN echo first\nRUN sleep 8; exit 7").await;
    let pod = pair.share().await;
    for id in &pair.ids {
        let (kind, details) = ended(id).await.failure();
        let failure = &details.failures[0];
        assert_eq!((kind.as_str(), failure.exit_code), ("BuildFailed", Some(7)));
        assert_eq!(failure.line, Some(3), "{failure:?}");
        assert_eq!(failure.container, "one");
        let log = failure.log.as_deref().unwrap_or_default();
        assert!(log.ends_with("/1/") && failure.log_tail.contains("exit status 7"), "{failure:?}");
    }
    let again = &pair.ids[0];
    pair.start(again);
    let new = eventually("a Pod of its own", PATIENCE, async || pair.running(again).await).await;
    assert_ne!(new.uid(), Some(pod));
    assert_eq!(ended(again).await.failure().0, "BuildFailed");
}
