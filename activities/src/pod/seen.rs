//! A Pod as far as it is read. Thousands are watched, and most of what a Pod is has been of use
//! only to those who run it.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Resource, ResourceExt, api::Log};
use serde::Deserialize;

use super::{executor, mounts, presigned};

/// A Pod as far as it is read. What its build was to be is not in it.
#[derive(Clone, Debug, Default, Deserialize, Resource)]
#[resource(inherit = Pod)]
#[serde(from = "Pod")]
pub struct SeenPod {
    /// Its metadata, without who manages which field, and without what it gives its build.
    pub metadata: ObjectMeta,
    /// How it is, and its containers are; not what these may use, and have mounted.
    pub status: Option<PodStatus>,
    /// Where it is.
    pub node: Option<String>,
    /// The memory that its executor may use, as the cluster words it.
    pub memory: Option<String>,
    /// The names of the Secrets that it mounts or has in its environment.
    pub secrets: BTreeSet<String>,
}

impl Log for SeenPod {}

impl From<Pod> for SeenPod {
    fn from(mut pod: Pod) -> Self {
        pod.managed_fields_mut().clear();
        let annotations = pod.annotations_mut();
        annotations.remove(&mounts::dockerfile_annotation());
        annotations.remove(&mounts::dockerignore_annotation());
        annotations.remove(&presigned::annotation());
        let spec = pod.spec.unwrap_or_default();
        Self {
            metadata: pod.metadata,
            status: pod.status.map(status),
            memory: memory(&spec),
            secrets: secrets(&spec),
            node: spec.node_name,
        }
    }
}

fn status(status: PodStatus) -> PodStatus {
    let seen = |all: Vec<ContainerStatus>| all.into_iter().map(container).collect();
    PodStatus {
        conditions: status.conditions,
        container_statuses: status.container_statuses.map(seen),
        init_container_statuses: status.init_container_statuses.map(seen),
        message: status.message,
        phase: status.phase,
        reason: status.reason,
        ..PodStatus::default()
    }
}

fn container(status: ContainerStatus) -> ContainerStatus {
    ContainerStatus { name: status.name, state: status.state, ..ContainerStatus::default() }
}

fn memory(spec: &PodSpec) -> Option<String> {
    let executor = spec.containers.iter().find(|one| one.name == executor::NAME)?;
    Some(executor.resources.as_ref()?.limits.as_ref()?.get("memory")?.0.clone())
}

fn secrets(spec: &PodSpec) -> BTreeSet<String> {
    let volumes = || spec.volumes.iter().flatten();
    let mounted = volumes().filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
    let projected = volumes().filter_map(|volume| volume.projected.as_ref()?.sources.as_ref());
    let projected =
        projected.flatten().filter_map(|source| Some(source.secret.as_ref()?.name.clone()));
    mounted.chain(projected).chain(spec.containers.iter().flat_map(environment)).collect()
}

fn environment(container: &Container) -> impl Iterator<Item = String> {
    let all = container.env_from.iter().flatten();
    let all = all.filter_map(|from| Some(from.secret_ref.as_ref()?.name.clone()));
    let single = container.env.iter().flatten().filter_map(|variable| {
        Some(variable.value_from.as_ref()?.secret_key_ref.as_ref()?.name.clone())
    });
    all.chain(single)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_seen_of_a_pod_is_what_is_read_of_it() {
        let secret = |name: &str| json!({"secretKeyRef": {"name": name, "key": "k"}});
        let pod: SeenPod = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "pod",
                "annotations": {mounts::dockerfile_annotation(): "FROM scratch", "of": "mine"},
                "managedFields": [{"manager": "me"}]
            },
            "spec": {
                "nodeName": "node-1",
                "containers": [{
                    "name": executor::NAME,
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
            },
            "status": {
                "phase": "Running",
                "reason": "Why",
                "podIP": "10.0.0.1",
                "containerStatuses": [{
                    "name": executor::NAME, "image": "image", "imageID": "", "ready": true,
                    "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}}
                }]
            }
        }))
        .expect("a Pod");
        assert_eq!(pod.name_any(), "pod");
        assert_eq!(pod.node.as_deref(), Some("node-1"));
        assert_eq!(pod.memory.as_deref(), Some("2Gi"));
        let wanted = ["all-env", "mounted", "of-env", "projected"].map(str::to_owned);
        assert_eq!(pod.secrets, BTreeSet::from(wanted));
        assert!(crate::pod::phase::has_begun(&pod));
        let status = pod.status.as_ref().expect("a status");
        assert_eq!(
            (status.phase.as_deref(), status.reason.as_deref()),
            (Some("Running"), Some("Why"))
        );
        let text = format!("{pod:?}");
        assert!(text.contains("mine"), "{text}");
        for gone in ["FROM scratch", "--destination", "\"me\"", "10.0.0.1", "\"image\""] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
    }
}
