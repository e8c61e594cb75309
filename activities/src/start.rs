//! What a worker looks at when it starts, so that a wrong setting is told then and not by a build.

use futures::future::try_join_all;
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    core::v1::{Namespace, PersistentVolumeClaim, Secret},
};
use kube::{Api, Client, api::PostParams};

use crate::{cluster::api_message, store::Access};

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

/// What a worker does in the build namespace, as the Kubernetes API names it.
const RIGHTS: [(&str, &str, &[&str]); 6] = [
    ("", "pods", &["get", "list", "watch", "create", "patch", "delete"]),
    ("", "pods/log", &["get"]),
    ("", "secrets", &["get"]),
    ("", "configmaps", &["get"]),
    ("", "events", &["list"]),
    ("batch", "jobs", &["get", "list", "create", "patch", "delete"]),
];

/// Whether the worker may do all of it.
pub async fn check_rights(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let rights = RIGHTS.iter().flat_map(|(group, resource, verbs)| {
        verbs.iter().map(move |verb| (*group, *resource, *verb))
    });
    let asked = rights.map(async |(group, resource, verb)| {
        let may = may(client, namespace, group, resource, verb).await?;
        anyhow::Ok((!may).then(|| format!("{verb} {resource}")))
    });
    let missing: Vec<_> = try_join_all(asked).await?.into_iter().flatten().collect();
    anyhow::ensure!(
        missing.is_empty(),
        "the worker may not {} in namespace `{namespace}`: let a Role allow it",
        missing.join(", ")
    );
    Ok(())
}

async fn may(
    client: &Client,
    namespace: &str,
    group: &str,
    resource: &str,
    verb: &str,
) -> anyhow::Result<bool> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource, None),
    };
    let attributes = ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
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
