//! Whether a Pod may mount what its build names.

use k8s_openapi::api::core::v1::Secret;
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    names,
    spec::BuildSecret,
    steps::LaunchInput,
};
use kube::ResourceExt;

use crate::{
    cluster::Cluster,
    error::{Ended, fail, within},
    pod::access::Access,
    secrets::{self, registry_auth},
};

/// Secrets that the Pod will mount must be there, and the registry's must allow its hosts. The
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
        let host = registry_auth::host(&input.build.repository);
        let denied = FailureType::RegistryDenied;
        let read = secrets::read(&cluster.client, namespace, secret, host, denied).await?;
        logins(secret, &read).map_err(|fault| fail(denied, fault))?;
    }
    for wanted in &input.build.secrets {
        let found = of_build(cluster, wanted, access).await;
        found.map_err(|error| within(&format!("build secret `{}`", wanted.name), error))?;
    }
    Ok(())
}

/// A `RUN` can read every login that is mounted, and the Secret says for which hosts it is.
fn logins(name: &str, secret: &Secret) -> Result<(), String> {
    let config = secrets::text(secret, ".dockerconfigjson")
        .ok_or_else(|| format!("the Secret `{name}` has no key `.dockerconfigjson`"))?;
    let hosts = registry_auth::hosts(&config)
        .map_err(|error| format!("the Secret `{name}`: `.dockerconfigjson`: {error}"))?;
    match hosts.iter().find(|host| !secrets::permits(secret, host)) {
        None => Ok(()),
        Some(host) => Err(format!(
            "the Secret `{name}` holds a login for `{host}`, which its annotation `{}` does not list, \
             and the whole Secret is mounted; list the host there, or take the login out",
            names::label("hosts")
        )),
    }
}

async fn of_build(cluster: &Cluster, wanted: &BuildSecret, access: &Access) -> anyhow::Result<()> {
    let namespace = &cluster.site.settings.namespace;
    let denied = FailureType::InvalidSpec;
    let secret = secrets::find(&cluster.client, namespace, &wanted.secret, denied).await?;
    usable(wanted, &secret, access).map_err(|fault| fail(denied, fault))
}

/// Whether a build may read a Secret as its own.
fn usable(wanted: &BuildSecret, secret: &Secret, access: &Access) -> Result<(), String> {
    let (name, key, hosts) = (&wanted.secret, &wanted.key, names::label("hosts"));
    let has_key = secret.data.as_ref().is_some_and(|data| data.contains_key(key));
    let kind = secret.type_.as_deref().filter(|kind| !matches!(*kind, "" | "Opaque"));
    if !has_key {
        return Err(format!("the Secret `{name}` has no key `{key}`"));
    }
    // Its token is for those hosts, and a `RUN` could send it anywhere.
    if secret.annotations().contains_key(&hosts) {
        return Err(format!(
            "the Secret `{name}` is for hosts (`{hosts}`) and no build may read it"
        ));
    }
    // Neither is one that is for the cluster, for a registry or for a tool.
    if let Some(kind) = kind {
        return Err(format!(
            "the Secret `{name}` is of type `{kind}` and no build may read it; accepted is `Opaque`"
        ));
    }
    match access.secret.as_ref() == Some(name) {
        true => Err(format!("the Secret `{name}` is the store's and no build may read it")),
        false => Ok(()),
    }
}
