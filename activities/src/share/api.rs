//! Shared objects in the API: Pods and Jobs alike.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kilnworks_workflows::steps::LaunchedKind;
use kube::api::{Patch, PatchParams, Preconditions};
use serde_json::Value;

use crate::{clean_up::deletion, cluster::Cluster};

/// How often an object is looked at that another changes each time.
pub(super) const TRIES: u32 = 20;

/// What an object says of itself; none where it is not there.
pub(super) async fn read(
    cluster: &Cluster,
    kind: LaunchedKind,
    name: &str,
) -> kube::Result<Option<ObjectMeta>> {
    Ok(match kind {
        LaunchedKind::Pod => cluster.pods().get_metadata_opt(name).await?.map(|it| it.metadata),
        LaunchedKind::Job => cluster.jobs().get_metadata_opt(name).await?.map(|it| it.metadata),
    })
}

pub(super) async fn patch(
    cluster: &Cluster,
    kind: LaunchedKind,
    name: &str,
    patch: &Value,
) -> kube::Result<()> {
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    match kind {
        LaunchedKind::Pod => drop(cluster.pods().patch_metadata(name, &params, &patch).await?),
        LaunchedKind::Job => drop(cluster.jobs().patch_metadata(name, &params, &patch).await?),
    }
    Ok(())
}

/// Deletes this version of an object, and no other.
pub(super) async fn delete(
    cluster: &Cluster,
    kind: LaunchedKind,
    name: &str,
    meta: &ObjectMeta,
) -> kube::Result<()> {
    let params = deletion(Preconditions {
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
    });
    match kind {
        LaunchedKind::Pod => drop(cluster.pods().delete(name, &params).await?),
        LaunchedKind::Job => drop(cluster.jobs().delete(name, &params).await?),
    }
    Ok(())
}

/// Gives way to who changed the object meanwhile.
pub(super) async fn give_way(tries: u32) {
    tokio::time::sleep(std::time::Duration::from_millis(u64::from(tries) * 20)).await;
}
