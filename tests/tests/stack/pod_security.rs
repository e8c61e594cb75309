//! The Pods that builds are made of pass the Pod Security level "baseline", as they are shipped: the
//! API server itself says so.

use std::process::{Command, Stdio};

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kilnworks_activities::{
    pod::{
        access::Access,
        object::{Object, Site, pod_of, sample},
    },
    settings::{Bucket, ClusterSettings, Delivery, LauncherKind, StoreSettings, VolumeMount},
    store::{context_key, open},
};
use kilnworks_tests::{
    engine::{eventually, variable},
    stack::{PATIENCE, cluster, unique},
};
use kilnworks_workflows::steps::LaunchInput;
use kube::{Api, Client, api::PostParams};
use serde_json::json;

/// A namespace that enforces it. It goes with this value.
struct Baseline {
    client: Client,
    name: String,
}

impl Baseline {
    async fn new() -> Self {
        let (client, name) = (cluster().await, unique("baseline"));
        let namespace = json!({"metadata": {
            "name": name, "labels": {"pod-security.kubernetes.io/enforce": "baseline"},
        }});
        let namespace: Namespace = serde_json::from_value(namespace).expect("a namespace");
        let all = Api::<Namespace>::all(client.clone());
        all.create(&PostParams::default(), &namespace).await.expect("a namespace");
        let baseline = Self { client, name };
        let accounts = Api::<ServiceAccount>::namespaced(baseline.client.clone(), &baseline.name);
        eventually("its service account", PATIENCE, async || {
            accounts.get_opt("default").await.expect("an answer")
        })
        .await;
        baseline
    }

    fn settings(&self, launcher: LauncherKind, template: Option<&str>) -> ClusterSettings {
        ClusterSettings {
            namespace: self.name.clone(),
            executor_image: variable("KILN_EXECUTOR_IMAGE"),
            launcher,
            max_builds: 1,
            pod_template: template.map(Into::into),
        }
    }

    /// What the API server says of a Pod, which it does not make.
    async fn judges(&self, settings: ClusterSettings, access: &Access) -> kube::Result<Pod> {
        let site = Site::new(settings, "default", "kiln").expect("a site");
        let pod = match site.object(&input(), access).expect("an object") {
            Object::Pod(pod) => *pod,
            Object::Job(job) => pod_of(&job),
        };
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        Api::namespaced(self.client.clone(), &self.name).create(&dry, &pod).await
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        let delete = ["delete", "namespace", &self.name, "--wait=false"];
        let _ = Command::new("kubectl").args(delete).stdout(Stdio::null()).status();
    }
}

fn input() -> LaunchInput {
    let mut input = sample();
    input.context.sha256 = Some("5e".repeat(32));
    input
}

async fn access(settings: StoreSettings) -> Access {
    Access::of(open(&settings).await.expect("a store").location(&context_key("c0ffee")))
}

/// Every way in which an executor can get a context.
async fn accesses(dir: &std::path::Path) -> Vec<(&'static str, Access)> {
    let s3 = |delivery| {
        StoreSettings::S3(Bucket {
            name: "kiln".to_owned(),
            endpoint: Some("http://s3.example".to_owned()),
            secret: Some("kiln-store".to_owned()),
            region: None,
            delivery,
        })
    };
    let mount = VolumeMount::Claim("kiln".to_owned());
    let volume = StoreSettings::Volume { dir: dir.to_owned(), mount };
    let presigned = Delivery::Presigned("registry.example/kiln:1".to_owned());
    vec![
        ("direct", access(s3(Delivery::Direct)).await),
        ("presigned", access(s3(presigned)).await),
        ("volume", access(volume).await),
    ]
}

#[tokio::test]
async fn what_is_shipped_passes_baseline() {
    let baseline = Baseline::new().await;
    let dir = tempfile::tempdir().expect("a directory");
    for (way, access) in accesses(dir.path()).await {
        for launcher in [LauncherKind::Pod, LauncherKind::Job] {
            let judged = baseline.judges(baseline.settings(launcher, None), &access).await;
            let pod = judged.unwrap_or_else(|error| panic!("{way}, {launcher:?}: {error}"));
            let spec = pod.spec.expect("a spec");
            assert_eq!(spec.automount_service_account_token, Some(false));
            for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
                let resources = container.resources.as_ref().expect("resources");
                let limits = resources.limits.as_ref().expect("limits");
                let requests = resources.requests.as_ref().expect("requests");
                assert!(limits.contains_key("memory") && requests.contains_key("cpu"));
                let mounts = container.volume_mounts.iter().flatten();
                let mut token = mounts.filter(|one| one.mount_path.contains("serviceaccount"));
                assert!(token.next().is_none(), "{way}, {launcher:?}");
            }
        }
    }
}

#[tokio::test]
async fn host_access_is_the_local_stacks_own() {
    let baseline = Baseline::new().await;
    let template = variable("KILN_POD_TEMPLATE");
    let settings = baseline.settings(LauncherKind::Pod, Some(&template));
    let refused = baseline.judges(settings, &Access::default()).await.expect_err("a refusal");
    assert!(refused.to_string().contains("hostNetwork=true"), "{refused}");
}
