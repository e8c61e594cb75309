//! The Pod of an attempt, before the operator's template is merged over it.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Pod, PodSpec, Toleration},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kilnworks_workflows::{
    build_id::BuildId,
    names,
    platform::{self, Platform},
    steps::LaunchInput,
};

use super::{access::Access, equal, executor, mounts, presigned};
use crate::settings::ClusterSettings;

/// The label of a node with its operating system.
pub const OS: &str = "kubernetes.io/os";
/// The label of a node with its processor architecture.
pub const ARCHITECTURE: &str = "kubernetes.io/arch";

/// How long a build stays on a node that is gone. Kubernetes' own 300 s are for servers.
const NODE_LOST_SECONDS: i64 = 30;

/// Seconds that an executor has to end. Kaniko has nothing to clean up.
pub const GRACE_SECONDS: u32 = 5;

/// The Pod of an attempt.
pub fn pod(
    settings: &ClusterSettings,
    instance: &str,
    input: &LaunchInput,
    access: &Access,
) -> Pod {
    let (mut labels, mut annotations) = (labels(instance, &input.id), annotations(input));
    let content = equal::content(instance, input);
    labels.extend(content.map(|content| (equal::label(), content)));
    let fetch = access.fetch.as_ref();
    annotations.extend(fetch.map(|_| presigned::unsigned()));
    let mut volumes = mounts::volumes(input);
    volumes.extend(access.volumes.iter().cloned());
    Pod {
        metadata: ObjectMeta {
            name: Some(input.pod_name()),
            namespace: Some(settings.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            init_containers: fetch.map(|fetch| vec![presigned::container(fetch, input)]),
            containers: vec![executor::container(settings, input, access)],
            restart_policy: Some("Never".to_owned()),
            // A build has no business with the cluster, and must not see what else runs in it.
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS.into()),
            tolerations: Some(["not-ready", "unreachable"].map(node_lost).to_vec()),
            volumes: Some(volumes),
            node_selector: input.build.platform().map(nodes_for),
            ..PodSpec::default()
        }),
        ..Pod::default()
    }
}

/// Labels of everything that an attempt makes: they say whose it is.
pub fn labels(instance: &str, id: &BuildId) -> BTreeMap<String, String> {
    let labels = [
        ("app", id.app.clone()),
        ("component", id.component.clone()),
        ("container", id.container.clone()),
        ("instance", instance.to_owned()),
        ("run", id.run_id.clone()),
        ("workflow", names::label_hash(&id.workflow_id)),
        ("attempt", id.attempt.to_string()),
    ];
    let of = Some(platform::word(&id.platform)).filter(|word| !word.is_empty());
    let all = labels.into_iter().chain(of.map(|word| ("platform", word)));
    all.map(|(name, value)| (names::label(name), value)).collect()
}

/// What does not fit into labels: the workflow's id in clear, and what is built.
fn annotations(input: &LaunchInput) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([
        (names::label("workflow-id"), input.id.workflow_id.clone()),
        (equal::annotation(), input.pushes()),
        (mounts::dockerfile_annotation(), input.rendered.dockerfile.clone()),
    ]);
    if let Some(ignore) = &input.rendered.dockerignore {
        annotations.insert(mounts::dockerignore_annotation(), ignore.clone());
    }
    annotations
}

/// The nodes of a platform. No label tells a variant.
fn nodes_for(platform: &str) -> BTreeMap<String, String> {
    let Platform { os, architecture, .. } = Platform::of(platform);
    let labels = [(OS, os), (ARCHITECTURE, architecture)];
    labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into()
}

fn node_lost(taint: &str) -> Toleration {
    Toleration {
        key: Some(format!("node.kubernetes.io/{taint}")),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(NODE_LOST_SECONDS),
        ..Toleration::default()
    }
}
