//! What the tests of the cluster steps share: inputs, and an API server that answers by script.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use k8s_openapi::api::core::v1::Pod;
use kilnworks_workflows::{
    build_id::BuildId,
    plan::{Cache, Registry, Resources, Timeouts},
    spec::{BuildSecret, CaSpec},
    steps::LaunchInput,
};
use kube::{
    Client,
    client::Body,
    runtime::{
        reflector::{self, store::Writer},
        watcher::Event,
    },
};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    pod::{
        object::{Site, sample},
        seen::SeenPod,
    },
    settings::{ClusterSettings, LauncherKind},
};

/// Settings of a plain installation.
pub(crate) fn settings(launcher: LauncherKind, template: Option<PathBuf>) -> ClusterSettings {
    ClusterSettings {
        namespace: "builds".to_owned(),
        executor_image: "registry.example/kaniko:v1".to_owned(),
        launcher,
        max_builds: 2,
        pod_template: template,
    }
}

/// The least that a build says.
pub(crate) fn minimal() -> LaunchInput {
    let text = |text: &str| text.to_owned();
    let mut input = sample();
    input.id = BuildId {
        app: text("shop"),
        component: text("web"),
        container: text("front"),
        workflow_id: text("nightly/web/front"),
        run_id: text("0b5cbd4f-9d4c-4f0e-8b1c-2f1d3a4b5c6d"),
        root: text("nightly"),
        attempt: 1,
        platform: String::new(),
    };
    input.build.repository = text("localhost:5000/team/shop-web-front");
    input.build.resources =
        Resources { cpu: text("250m"), memory: text("2Gi"), ephemeral_storage: None };
    input.build.timeouts =
        Timeouts { queued: 60, scheduling: 60, pulling: 60, building: 60, whole: 600 };
    input.rendered.dockerfile = text("FROM scratch\n");
    input.rendered.tags = vec![text("1.2.0")];
    input.context.key = text("contexts/abc.tar.gz");
    input.context.root = text("context");
    input.context.sha256 = Some("5e".repeat(32));
    input
}

/// Everything that a build can say.
pub(crate) fn full() -> LaunchInput {
    let mut input = minimal();
    let pairs = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        pairs.collect()
    };
    input.build.target = Some("run".to_owned());
    input.build.cache =
        Some(Cache { repo: "localhost:5000/team/shop-cache".to_owned(), ttl: 1_209_600 });
    input.build.flags = vec!["--single-snapshot".to_owned()];
    input.build.secrets = vec![BuildSecret {
        name: "npmrc".to_owned(),
        secret: "npm".to_owned(),
        key: ".npmrc".to_owned(),
    }];
    input.build.resources.ephemeral_storage = Some("20Gi".to_owned());
    input.registry = Registry {
        host: Some("registry.example.com".to_owned()),
        insecure: true,
        ca: Some(CaSpec { config_map: "registry-ca".to_owned(), key: "ca.crt".to_owned() }),
        secret: Some("push".to_owned()),
    };
    input.rendered.dockerignore = Some("target\n".to_owned());
    input.rendered.build_args = pairs(&[("PRICE", "$(HOME) $5 $$"), ("VERSION", "1.2.0")]);
    input.rendered.labels = pairs(&[("team", "web")]);
    input.rendered.tags.push("latest".to_owned());
    input
}

/// One call that the API server expects, and its answer.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// How the path begins.
    pub(crate) path: String,
    pub(crate) code: u16,
    pub(crate) body: Value,
    /// A Pod that the watch sees with this call.
    pub(crate) seen: Option<Pod>,
}

/// A call with its answer.
pub(crate) fn call(method: &'static str, path: &str, code: u16, body: Value) -> Call {
    let path = format!("/api/v1/namespaces/builds/{path}");
    Call { method, path, code, body, seen: None }
}

/// What the API answers when it refuses.
pub(crate) fn refusal(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message})
}

/// An API server that answers by script. A call out of turn panics; so does `end`, where calls are
/// missing.
pub(crate) struct Scenario {
    calls: Arc<Mutex<VecDeque<Call>>>,
    watch: Arc<Mutex<Watch>>,
}

struct Watch {
    writer: Writer<SeenPod>,
    bell: tokio::sync::watch::Sender<u64>,
}

impl Watch {
    fn see(&mut self, pod: Pod) {
        self.writer.apply_watcher_event(&Event::Apply(pod.into()));
        self.bell.send_modify(|count| *count += 1);
    }
}

impl Scenario {
    /// A cluster with these watched Pods, whose API expects these calls in this order.
    pub(crate) fn new(pods: Vec<Pod>, calls: Vec<Call>) -> (Self, Cluster) {
        Self::of(LauncherKind::Pod, pods, calls)
    }

    /// The same, of an installation that launches this.
    pub(crate) fn of(launcher: LauncherKind, pods: Vec<Pod>, calls: Vec<Call>) -> (Self, Cluster) {
        let (store, mut writer) = reflector::store();
        writer.apply_watcher_event(&Event::Init);
        for pod in pods {
            writer.apply_watcher_event(&Event::InitApply(pod.into()));
        }
        writer.apply_watcher_event(&Event::InitDone);
        let (bell, changes) = tokio::sync::watch::channel(0);
        let scenario = Self {
            calls: Arc::new(Mutex::new(calls.into())),
            watch: Arc::new(Mutex::new(Watch { writer, bell })),
        };
        let (calls, watch) = (scenario.calls.clone(), scenario.watch.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = answer(&request, &calls, &watch);
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        let site = Site::new(settings(launcher, None), "default", "kiln").unwrap();
        let cluster = Cluster::of(Client::new(service, "builds"), site, store, changes);
        (scenario, cluster)
    }

    /// The watch sees a Pod.
    pub(crate) fn see(&self, pod: Pod) {
        self.watch.lock().unwrap().see(pod);
    }

    /// No call is missing.
    pub(crate) fn end(self) {
        let calls = self.calls.lock().unwrap();
        let missing: Vec<_> = calls.iter().map(|call| (call.method, &call.path)).collect();
        assert!(missing.is_empty(), "calls are missing: {missing:?}");
    }
}

fn answer(
    request: &Request<Body>,
    calls: &Mutex<VecDeque<Call>>,
    watch: &Mutex<Watch>,
) -> Response<Body> {
    let (method, uri) = (request.method(), request.uri());
    let call = calls.lock().unwrap().pop_front();
    let call = call.unwrap_or_else(|| panic!("one call too many: {method} {uri}"));
    let expected = (call.method, &call.path);
    let is_expected = method.as_str() == call.method && uri.to_string().starts_with(&call.path);
    assert!(is_expected, "{method} {uri} instead of {expected:?}");
    if let Some(pod) = call.seen {
        watch.lock().unwrap().see(pod);
    }
    let response = Response::builder().status(call.code);
    let response = response.header("content-type", "application/json");
    response.body(Body::from(call.body.to_string().into_bytes())).unwrap()
}
