//! Builds on a real cluster: real Kaniko Pods, a real registry. Contexts are empty directories.
//!
//! Needs the stack: run `make up` and source `.local/env`.

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Pod, Volume, VolumeMount};
use kilnworks_activities::{
    cluster::{Cluster, Found, connect},
    error::failure_of,
    log::Logs,
    pod::{
        access::Access,
        object::{Site, sample},
    },
    registry::RegistryClient,
    settings::{self, ClusterSettings, LauncherKind},
    steps::{
        await_build::{Await, await_build},
        clean_up::clean_up,
        launch::launch,
        resolve_image::resolve_image,
    },
    store::volume::VolumeStore,
    temporal::{Observer, StepStatus},
};
use kilnworks_workflows::{
    build_id::BuildId,
    failure::{Failure, FailureType},
    plan::{Resources, Timeouts},
    spec::CaSpec,
    steps::{AwaitInput, Awaited, Built, CleanUpInput, LaunchInput, Launched},
};
use kube::{Api, api::ListParams};

fn env(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make up` and source `.local/env`"))
}

/// An empty context.
fn empty() -> Access {
    Access {
        context: "dir:///kiln/context".to_owned(),
        volumes: vec![Volume {
            name: "context".to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        }],
        mounts: vec![VolumeMount {
            name: "context".to_owned(),
            mount_path: "/kiln/context".to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }],
        ..Access::default()
    }
}

/// One build in an installation of its own.
struct Build {
    cluster: Cluster,
    registry: RegistryClient,
    input: LaunchInput,
    store: VolumeStore,
    _directory: tempfile::TempDir,
}

impl Build {
    async fn new(name: &str, launcher: LauncherKind, dockerfile: &str) -> Self {
        env("KUBECONFIG");
        let client = connect().await.expect("a client of the cluster");
        let settings = ClusterSettings {
            namespace: env("KILN_NAMESPACE"),
            executor_image: env("KILN_EXECUTOR_IMAGE"),
            launcher,
            max_builds: 10,
            pod_template: Some(env("KILN_POD_TEMPLATE").into()),
        };
        let run_id = uuid::Uuid::new_v4().to_string();
        let site = Site::new(settings, "stack-cluster", &run_id).expect("a Pod template");
        let registry = RegistryClient::new(client.clone(), &site.settings.namespace);
        let input = input(name, &run_id, dockerfile);
        let directory = tempfile::tempdir().expect("a directory");
        let mount = settings::VolumeMount::Claim("none".to_owned());
        let store = VolumeStore::open(directory.path(), mount).expect("a store");
        let cluster = Cluster::new(client, site);
        Self { cluster, registry, input, store, _directory: directory }
    }

    fn logs(&self) -> Logs<'_> {
        Logs { store: &self.store, max_bytes: 64 * 1024 * 1024 }
    }

    async fn launch(&self) -> Launched {
        let observer = Observer::silent(&self.input.id);
        let status = async || StepStatus::Wanted;
        launch(&self.cluster, &empty(), &self.input, &observer, status).await.expect("a launch")
    }

    async fn wait(&self, launched: Launched) -> Result<Built, Failure> {
        let input = AwaitInput::of(&self.input, launched, String::new());
        let observer = Observer::silent(&self.input.id);
        let with = Await {
            cluster: &self.cluster,
            registry: &self.registry,
            logs: self.logs(),
            observer: &observer,
        };
        let built = await_build(with, &input, async || StepStatus::Wanted).await;
        let built = built.map(|awaited| match awaited {
            Awaited::Built(built) => built,
            other => panic!("no image: {other:?}"),
        });
        built.map_err(|error| match failure_of(&error) {
            Some(failure) => failure.clone(),
            None => panic!("an error without a type: {error:#}"),
        })
    }

    /// Cleans up and sees that nothing is left but what is being deleted.
    async fn end(self) {
        let input = CleanUpInput { id: self.input.id.clone(), launching: false };
        clean_up(&self.cluster, self.logs(), &input).await.expect("a clean-up");
        clean_up(&self.cluster, self.logs(), &input).await.expect("a second clean-up");
        let pods: Api<Pod> =
            Api::namespaced(self.cluster.client.clone(), &self.cluster.site.settings.namespace);
        let ours = format!("kiln.io/run={}", self.input.id.run_id);
        let left = pods.list(&ListParams::default().labels(&ours)).await.expect("a list");
        assert!(left.iter().all(|pod| pod.metadata.deletion_timestamp.is_some()));
    }

    async fn fails(self) -> Failure {
        let launched = self.launch().await;
        let failure = self.wait(launched).await.expect_err("a failure");
        self.end().await;
        failure
    }
}

fn input(name: &str, run_id: &str, dockerfile: &str) -> LaunchInput {
    let text = |text: &str| text.to_owned();
    let mut input = sample();
    input.id = BuildId {
        platform: String::new(),
        app: text("stack"),
        component: text("cluster"),
        container: text(name),
        workflow_id: format!("stack/{name}"),
        run_id: text(run_id),
        root: text("stack"),
        attempt: 1,
    };
    input.build.repository = format!("{}/stack/{name}", env("KILN_REGISTRY"));
    input.build.resources =
        Resources { cpu: text("50m"), memory: text("1Gi"), ephemeral_storage: None };
    input.build.timeouts =
        Timeouts { queued: 60, scheduling: 60, pulling: 60, building: 300, whole: 600 };
    input.registry.insecure = true;
    input.rendered.dockerfile = dockerfile.replace("BASE", &env("KILN_BASE_IMAGE"));
    input.rendered.build_args = [("MARK".to_owned(), "$(HOME) $$".to_owned())].into();
    input.rendered.tags = vec![text("1")];
    input
}

/// A `RUN` that is no good unless a `$` of a build argument arrives as it was given.
const DOLLARS: &str = "FROM BASE\nARG MARK\nRUN test \"$MARK\" = '$(HOME) $$'\n";

async fn builds(launcher: LauncherKind, name: &str) {
    let build = Build::new(name, launcher, DOLLARS).await;
    let launched = build.launch().await;
    assert_eq!(build.launch().await, launched, "launching twice makes one");
    let built = build.wait(launched.clone()).await.expect("an image");
    assert_eq!(build.wait(launched).await.as_ref(), Ok(&built), "awaited twice");
    assert!(built.size > 1_000_000 && built.pod_seconds >= 1.0, "{built:?}");
    let image = build.input.pushes();
    let tagged = resolve_image(&build.registry, &image, &build.input.registry).await;
    assert_eq!(tagged.expect("the attempt's own tag").digest, built.digest);
    let image = format!("{}:1", build.input.build.repository);
    let tagged = build.registry.inspect(&image, &build.input.registry).await;
    assert_eq!(tagged.expect("an answer"), None, "the executor writes no other tag");
    build.end().await;
}

#[tokio::test]
async fn a_pod_builds() {
    builds(LauncherKind::Pod, "pod").await;
}

#[tokio::test]
async fn a_job_builds() {
    builds(LauncherKind::Job, "job").await;
}

#[tokio::test]
async fn a_failing_run_is_named() {
    let dockerfile = "FROM BASE\nRUN echo one && \\\n    exit 7\n";
    let build = Build::new("run", LauncherKind::Pod, dockerfile).await;
    let failure = build.fails().await;
    assert_eq!(failure.kind, FailureType::BuildFailed, "{failure:?}");
    assert_eq!((failure.line, failure.exit_code), (Some(2), Some(7)));
    assert!(failure.log_tail.contains("exit status 7"), "{failure:?}");
}

#[tokio::test]
async fn a_missing_base_image_is_named() {
    let build = Build::new("base", LauncherKind::Pod, "FROM BASE-no\nRUN true\n").await;
    let failure = build.fails().await;
    assert_eq!(failure.kind, FailureType::BaseImageNotFound, "{failure:?}");
    assert!(failure.message.contains("-no"), "{failure:?}");
}

#[tokio::test]
async fn a_greedy_run_is_out_of_memory() {
    let dockerfile = "FROM BASE\nRUN head -c 600m /dev/zero | tail\n";
    let mut build = Build::new("oom", LauncherKind::Pod, dockerfile).await;
    build.input.build.resources.memory = "150Mi".to_owned();
    let failure = build.fails().await;
    assert_eq!(failure.kind, FailureType::OutOfMemory, "{failure:?}");
}

#[tokio::test]
async fn an_unschedulable_pod_says_why() {
    let mut build = Build::new("big", LauncherKind::Pod, DOLLARS).await;
    build.input.build.resources.memory = "900Gi".to_owned();
    build.input.build.timeouts.scheduling = 2;
    let failure = build.fails().await;
    assert_eq!(failure.kind, FailureType::Unschedulable, "{failure:?}");
    assert!(failure.message.contains("Insufficient memory"), "{failure:?}");
}

#[tokio::test]
async fn a_volume_that_cannot_be_mounted_says_why() {
    let mut build = Build::new("mount", LauncherKind::Pod, DOLLARS).await;
    build.input.build.timeouts.pulling = 6;
    build.input.registry.ca =
        Some(CaSpec { config_map: "not-there".to_owned(), key: "ca.crt".to_owned() });
    let failure = build.fails().await;
    assert_eq!(failure.kind, FailureType::ImagePullFailed, "{failure:?}");
    assert!(failure.message.contains("\"not-there\" not found"), "{failure:?}");
}

#[tokio::test]
async fn a_deleted_pod_is_deleted() {
    let dockerfile = "FROM BASE\nRUN sleep 60\n";
    let build = Build::new("deleted", LauncherKind::Pod, dockerfile).await;
    let launched = build.launch().await;
    let pods = build.cluster.pods();
    let deleted = async {
        pods.delete(&launched.name, &Default::default()).await.expect("a delete");
    };
    let (failure, ()) = tokio::join!(build.wait(launched.clone()), deleted);
    let failure = failure.expect_err("a failure");
    assert_eq!(failure.kind, FailureType::PodDeleted, "{failure:?}");
    build.end().await;
}

#[tokio::test]
async fn what_a_lost_pod_has_pushed_counts() {
    for launcher in [LauncherKind::Pod, LauncherKind::Job] {
        let build = Build::new("pushed", launcher, "FROM BASE\nRUN date > /at\n").await;
        let launched = build.launch().await;
        let built = build.wait(launched.clone()).await.expect("an image");
        let input = CleanUpInput { id: build.input.id.clone(), launching: false };
        clean_up(&build.cluster, build.logs(), &input).await.expect("its Pod goes");
        let begun = std::time::Instant::now();
        while !matches!(build.cluster.ask(&launched).await, Ok(Found::Gone)) {
            assert!(begun.elapsed().as_secs() < 60, "the Pod is not gone");
            tokio::task::yield_now().await;
        }
        // Nobody saw the Pod's end; the registry knows of it.
        let found = build.wait(launched).await.expect("its image");
        assert_eq!(found.digest, built.digest);
    }
}
