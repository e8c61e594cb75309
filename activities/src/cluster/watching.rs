//! The one watch over the Pods of this installation, and what is kept of each.

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume};
use kilnworks_workflows::names;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::{self, store::Writer},
        watcher,
    },
};
use tokio::sync::watch::Sender;

use crate::{metrics::metrics, mounts, object::Site, presigned};

/// Seconds after which the API server ends the watch, to be begun again: before it could pass for
/// a silent call.
const WATCH_SECONDS: u32 = 50;

/// The one watch. No error ends it; it backs off and begins again.
pub(super) async fn pods(client: Client, site: Site, writer: Writer<Pod>, bell: Sender<u64>) {
    let pods = Api::<Pod>::namespaced(client, &site.settings.namespace);
    let selector = format!("{}={}", names::label("instance"), site.instance);
    let events = watcher(pods, watcher::Config::default().labels(&selector).timeout(WATCH_SECONDS))
        .default_backoff()
        .modify(forget);
    let mut events = std::pin::pin!(reflector::reflector(writer, events));
    while let Some(event) = events.next().await {
        match event {
            Ok(_) => bell.send_modify(|count| *count += 1),
            Err(error) => {
                metrics().watch_interrupted();
                tracing::warn!(%error, "the watch over the Pods is interrupted");
            }
        }
    }
}

/// Takes what no step reads out of a cached Pod: thousands of them would cost memory.
fn forget(pod: &mut Pod) {
    pod.managed_fields_mut().clear();
    pod.spec = pod.spec.take().map(read_of);
    let annotations = pod.annotations_mut();
    annotations.remove(&mounts::dockerfile_annotation());
    annotations.remove(&mounts::dockerignore_annotation());
    annotations.remove(&presigned::annotation());
}

/// What is read of what a Pod was to be: where it is, what it may use, and which Secrets it reads.
fn read_of(spec: PodSpec) -> PodSpec {
    let containers = spec.containers.into_iter().map(|one| Container {
        name: one.name,
        env: one.env.map(|all| all.into_iter().filter(|it| it.value_from.is_some()).collect()),
        env_from: one.env_from,
        resources: one.resources,
        ..Container::default()
    });
    let reads = |volume: &Volume| volume.secret.is_some() || volume.projected.is_some();
    PodSpec {
        containers: containers.collect(),
        node_name: spec.node_name,
        volumes: spec.volumes.map(|all| all.into_iter().filter(reads).collect()),
        ..PodSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::{redact::names_in, verdict::limit};

    #[test]
    fn what_is_kept_of_a_pod_tells_what_is_read_of_it() {
        let secret = |name: &str| json!({"secretKeyRef": {"name": name, "key": "k"}});
        let whole: Pod = serde_json::from_value(json!({
            "metadata": {"annotations": {mounts::dockerfile_annotation(): "FROM scratch"}},
            "spec": {
                "nodeName": "node-1",
                "containers": [{
                    "name": crate::executor::NAME,
                    "args": ["--destination=x"],
                    "env": [{"name": "A", "value": "a"}, {"name": "B", "valueFrom": secret("of-env")}],
                    "envFrom": [{"secretRef": {"name": "all-env"}}],
                    "volumeMounts": [{"name": "one", "mountPath": "/one"}],
                    "resources": {"limits": {"memory": "2Gi"}}
                }],
                "volumes": [
                    {"name": "one", "secret": {"secretName": "mounted"}},
                    {"name": "two", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
                    {"name": "three", "emptyDir": {}}
                ]
            }
        }))
        .expect("a Pod");
        let mut kept = whole.clone();
        forget(&mut kept);
        let wanted = ["all-env", "mounted", "of-env", "projected"].map(str::to_owned);
        assert_eq!(names_in(&whole), BTreeSet::from(wanted));
        assert_eq!(names_in(&kept), names_in(&whole));
        assert_eq!((limit(&kept).as_str(), limit(&whole).as_str()), (" of 2Gi", " of 2Gi"));
        let spec = kept.spec.as_ref().expect("a spec");
        assert_eq!(spec.node_name.as_deref(), Some("node-1"));
        assert_eq!(spec.volumes.as_ref().map(Vec::len), Some(2));
        let text = json!(kept).to_string();
        for gone in ["FROM scratch", "--destination", "mountPath", "emptyDir"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }
}
