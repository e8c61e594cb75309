//! Whether a Pod may mount what its build names.

use k8s_openapi::api::core::v1::Secret;
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    names,
    steps::LaunchInput,
};
use kube::{Api, ResourceExt};

use crate::{
    cluster::{Cluster, unavailable},
    error::{Ended, fail},
    mounts, redact, secrets,
    store::Access,
};

/// Secrets that the Pod will mount must be there, and the registry's must allow its host. The
/// kubelet would mount any Secret of the namespace that a spec names.
pub(super) async fn check(
    cluster: &Cluster,
    input: &LaunchInput,
    access: &Access,
) -> anyhow::Result<()> {
    let namespace = &cluster.site.settings.namespace;
    if access.fetch.is_some() && input.context.sha256.is_none() {
        // It was uploaded under other settings. Another run of this step would find the same.
        let key = &input.context.key;
        let message = format!("the checksum of `{key}` is not known; start the build again");
        return Err(Ended(Failure::new(FailureType::StoreUnavailable, message)).into());
    }
    if let Some(secret) = &input.registry.secret {
        let host = mounts::host(&input.build.repository);
        let denied = FailureType::RegistryDenied;
        let read = secrets::read(&cluster.client, namespace, secret, host, denied).await?;
        if secrets::text(&read, ".dockerconfigjson").is_none() {
            let message = format!("the Secret `{secret}` has no key `.dockerconfigjson`");
            return Err(fail(denied, message));
        }
    }
    let api = Api::<Secret>::namespaced(cluster.client.clone(), namespace);
    for wanted in &input.build.secrets {
        let secret = api.get_opt(&wanted.secret).await;
        let secret = secret.map_err(|error| unavailable("read a build secret", &error))?;
        secret.iter().for_each(redact::learn);
        let message = match secret {
            None => format!("there is no Secret `{}` in namespace `{namespace}`", wanted.secret),
            Some(secret) if !has_key(&secret, &wanted.key) => {
                format!("the Secret `{}` has no key `{}`", wanted.secret, wanted.key)
            }
            // Its token is for those hosts, and a `RUN` could send it anywhere.
            Some(secret) if secret.annotations().contains_key(&names::label("hosts")) => format!(
                "the Secret `{}` is for hosts (`{}`) and no build may read it",
                wanted.secret,
                names::label("hosts")
            ),
            // Neither is one that is for the cluster or for a registry, or for the store.
            Some(secret) if secret.type_.as_deref().is_some_and(|kind| kind.contains(".io/")) => {
                format!(
                    "the Secret `{}` is of type `{}` and no build may read it; accepted is `Opaque`",
                    wanted.secret,
                    secret.type_.as_deref().unwrap_or_default()
                )
            }
            Some(_) if access.secret.as_ref() == Some(&wanted.secret) => {
                format!("the Secret `{}` is the store's and no build may read it", wanted.secret)
            }
            Some(_) => continue,
        };
        let message = format!("build secret `{}`: {message}", wanted.name);
        return Err(fail(FailureType::InvalidSpec, message));
    }
    Ok(())
}

fn has_key(secret: &Secret, key: &str) -> bool {
    let data = secret.data.as_ref();
    data.is_some_and(|data| data.contains_key(key))
}
