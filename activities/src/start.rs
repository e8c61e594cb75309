//! What a worker looks at when it starts, so that a wrong setting is told then and not by a build.

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Secret};
use kube::{Api, Client, api::ListParams};

use crate::{cluster::api_message, store::Access};

/// Whether builds can run in a namespace, else what to do about it.
pub async fn check_namespace(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let there = Api::<Namespace>::all(client.clone()).get_opt(namespace).await;
    match there {
        Ok(Some(_)) => {}
        // Who may work in one namespace may not be allowed to look at it: its Pods tell.
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        Ok(None) => anyhow::bail!(
            "there is no namespace `{namespace}` in the cluster: make it, or set KILN_NAMESPACE"
        ),
        Err(error) => anyhow::bail!("the cluster does not answer: {}", api_message(&error)),
    }
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let listed = pods.list(&ListParams::default().limit(1)).await;
    listed.map(drop).map_err(|error| {
        let message = api_message(&error);
        anyhow::anyhow!("the worker may not see the Pods of `{namespace}`: {message}")
    })
}

/// Whether the Secrets and claims are there with which an executor reaches the store.
pub async fn check_mounts(client: &Client, namespace: &str, access: &Access) -> anyhow::Result<()> {
    let secrets = access.env_from.iter().filter_map(|from| from.secret_ref.as_ref());
    for secret in secrets {
        let api = Api::<Secret>::namespaced(client.clone(), namespace);
        there(&api, &secret.name, "Secret", "KILN_S3_SECRET").await?;
    }
    let claims = access.volumes.iter().filter_map(|one| one.persistent_volume_claim.as_ref());
    for claim in claims {
        let api = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
        there(&api, &claim.claim_name, "claim", "KILN_VOLUME_CLAIM").await?;
    }
    Ok(())
}

async fn there<K>(api: &Api<K>, name: &str, what: &str, setting: &str) -> anyhow::Result<()>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match api.get_opt(name).await {
        Ok(Some(_)) => Ok(()),
        // Who may not look cannot say that it is missing.
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
        Ok(None) => anyhow::bail!(
            "there is no {what} `{name}` in the build namespace: make it, or set {setting}"
        ),
        Err(error) => anyhow::bail!("the cluster does not answer: {}", api_message(&error)),
    }
}
