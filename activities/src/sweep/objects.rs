//! The Jobs and Pods of this installation: which are there, and how an orphan is removed.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use kilnworks_workflows::names;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Preconditions},
};
use serde::de::DeserializeOwned;

use super::orphan::{Facts, Fate, Owner};
use crate::{
    clean_up::delete_version,
    cluster::{Cluster, unavailable},
    log::{
        Logs,
        keep::{Unkept, keep},
    },
    seen::SeenPod,
};

/// How many objects are read at once: a Pod carries its Dockerfile.
const PAGE: u32 = 200;

/// Every Job and Pod of this installation, Jobs first.
pub async fn list(cluster: &Cluster) -> anyhow::Result<Vec<Facts>> {
    let selector = format!("{}={}", names::label("instance"), cluster.site.instance);
    let mut found = pages("Job", &cluster.jobs(), &selector).await?;
    let sharing: BTreeMap<_, _> = found.iter().filter(|job| job.shared).map(shared).collect();
    let mut pods = pages("Pod", &cluster.pods(), &selector).await?;
    for pod in &mut pods {
        if let Some(owners) = sharing.get(&pod.job) {
            pod.owners.clone_from(owners);
        }
    }
    found.extend(pods);
    Ok(found)
}

/// A shared Job's UID, as its Pod names it, and its owners: they are the Pod's, too.
fn shared(job: &Facts) -> (Option<String>, Vec<Owner>) {
    (job.uid.clone(), job.owners.clone())
}

async fn pages<K>(kind: &'static str, api: &Api<K>, selector: &str) -> anyhow::Result<Vec<Facts>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = api.list_metadata(&params).await;
        let page = page.map_err(|error| unavailable("list what builds made", &error))?;
        found.extend(page.items.into_iter().map(|object| Facts::of(kind, object.metadata)));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// How many logs are kept at once.
const LOGS: usize = 8;

/// Removes orphans once their logs are kept, Jobs first, or a Job would see its Pod go. What is gone
/// meanwhile is fine.
pub async fn remove(
    cluster: &Cluster,
    logs: Logs<'_>,
    orphans: &[(&Facts, Fate)],
) -> anyhow::Result<()> {
    let is_reached = |fate: &Fate| matches!(fate, Fate::Deleted(_));
    let pods = orphans.iter().filter(|(object, fate)| object.kind == "Pod" && is_reached(fate));
    let names: Vec<_> = pods.map(|(object, _)| object.name.as_str()).collect();
    let mut unkept = Unkept::default();
    for names in names.chunks(LOGS) {
        let pods = cluster.pods();
        let pods = try_join_all(names.iter().map(|name| pods.get_opt(name))).await;
        let pods = pods.map_err(|error| unavailable("read an orphan", &error))?;
        let pods: Vec<_> = pods.into_iter().flatten().collect();
        unkept.extend(keep(logs, cluster, &pods, None, None).await);
    }
    for (object, fate) in orphans.iter().filter(|(object, _)| !unkept.holds(object.uid.as_ref())) {
        let (name, uid) = (&object.name, object.uid.clone());
        // Nobody has joined since it was looked at.
        let version = object.version.clone().filter(|_| object.shared);
        match (object.kind, fate) {
            (_, Fate::Left(_)) => {}
            ("Job", _) => delete_version(&cluster.jobs(), name, uid, version).await?,
            (_, Fate::Forced(_)) => force(&cluster.pods(), name, uid).await?,
            (_, Fate::Deleted(_)) => delete_version(&cluster.pods(), name, uid, version).await?,
        }
    }
    unkept.outcome()
}

/// Takes a Pod out of the API without asking its node.
async fn force(pods: &Api<SeenPod>, name: &str, uid: Option<String>) -> anyhow::Result<()> {
    let preconditions = Some(Preconditions { uid, resource_version: None });
    let params = DeleteParams { preconditions, ..DeleteParams::default() }.grace_period(0);
    match pods.delete(name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(unavailable(&format!("remove the Pod `{name}`"), &error)),
    }
}
