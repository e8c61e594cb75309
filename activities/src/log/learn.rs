//! The secrets that a log may contain.

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::{
    cluster::{Cluster, unavailable},
    pod::seen::SeenPod,
    secrets::redact,
};

/// Learns every Secret that a Pod can read, because a `RUN` may print what it reads. Call this
/// before reading the first line of the Pod's log.
///
/// # Errors
/// `ClusterUnavailable` if the API does not answer. A Secret that the worker may not read is no
/// error; its values stay in the log.
pub async fn learn_secrets(cluster: &Cluster, pod: &SeenPod) -> anyhow::Result<()> {
    let api = Api::<Secret>::namespaced(cluster.client.clone(), &cluster.site.settings.namespace);
    for secret in join_all(pod.secrets.iter().map(|name| api.get_opt(name))).await {
        match secret {
            Ok(secret) => secret.iter().for_each(redact::learn),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                tracing::warn!("cannot redact a Secret of a Pod: {}", status.message);
            }
            Err(error) => return Err(unavailable("read a Secret of the Pod", &error)),
        }
    }
    Ok(())
}
