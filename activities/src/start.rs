//! What a worker looks at when it starts, so that a wrong setting is told then and not by a build.

use futures::future::try_join_all;
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::{Namespace, PersistentVolumeClaim, Secret},
};
use kube::{Api, Client, api::PostParams};

use crate::{cluster::api_message, pod::access::Access};

/// Whether builds can run in a namespace, else what to do about it.
pub async fn check_namespace(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let there = Api::<Namespace>::all(client.clone()).get_opt(namespace).await;
    match there {
        Ok(Some(_)) => {}
        // Who may work in one namespace may not be allowed to look at it.
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        Ok(None) => anyhow::bail!(
            "there is no namespace `{namespace}` in the cluster: make it, or set KILN_NAMESPACE"
        ),
        Err(error) => anyhow::bail!("the cluster does not answer: {}", api_message(&error)),
    }
    Ok(())
}

/// What a worker does in the build namespace, as the Kubernetes API names it. Secrets are not here:
/// a Role should let it read those that specs may name, each by its name.
pub const RIGHTS: [(&str, &str, &[&str]); 5] = [
    ("", "pods", &["get", "list", "watch", "create", "delete"]),
    ("", "pods/log", &["get"]),
    ("", "configmaps", &["get"]),
    ("", "events", &["list"]),
    ("batch", "jobs", &["get", "list", "create", "delete"]),
];

/// Whether the worker may do all of it.
pub async fn check_rights(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let rights = RIGHTS.iter().flat_map(|(group, resource, verbs)| {
        verbs.iter().map(move |verb| (*group, *resource, *verb))
    });
    let asked = rights.map(async |(group, resource, verb)| {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (resource, None),
        };
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            subresource: subresource.map(str::to_owned),
            ..attributes(namespace, verb, resource)
        };
        let may = may(client, attributes).await?;
        let what = subresource.map_or_else(String::new, |one| format!("/{one}"));
        anyhow::Ok((!may).then(|| format!("{verb} {resource}{what}")))
    });
    let missing: Vec<_> = try_join_all(asked).await?.into_iter().flatten().collect();
    anyhow::ensure!(
        missing.is_empty(),
        "the worker may not {} in namespace `{namespace}`: let a Role allow it",
        missing.join(", ")
    );
    Ok(())
}

fn attributes(namespace: &str, verb: &str, resource: &str) -> ResourceAttributes {
    ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        verb: Some(verb.to_owned()),
        resource: Some(resource.to_owned()),
        ..ResourceAttributes::default()
    }
}

async fn may(client: &Client, attributes: ResourceAttributes) -> anyhow::Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    match Api::all(client.clone()).create(&PostParams::default(), &review).await {
        Ok(review) => Ok(review.status.is_some_and(|status| status.allowed)),
        Err(error) => anyhow::bail!("the cluster does not answer: {}", api_message(&error)),
    }
}

/// Whether the Secrets and claims are there with which an executor reaches the store.
pub async fn check_mounts(client: &Client, namespace: &str, access: &Access) -> anyhow::Result<()> {
    let secrets = access.env_from.iter().filter_map(|from| from.secret_ref.as_ref());
    for secret in secrets {
        check_secret(client, namespace, &secret.name).await?;
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

/// Every build Pod has this Secret, and a worker that cannot read it would keep its values in logs.
async fn check_secret(client: &Client, namespace: &str, name: &str) -> anyhow::Result<()> {
    let attributes = ResourceAttributes {
        name: Some(name.to_owned()),
        ..attributes(namespace, "get", "secrets")
    };
    anyhow::ensure!(
        may(client, attributes).await?,
        "the worker may not get the Secret `{name}` in namespace `{namespace}`, whose values it \
         blots out of logs: let a Role allow it"
    );
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
