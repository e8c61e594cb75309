//! The Jobs and Pods of this installation: which are there, and how an orphan is removed.

use futures::future::try_join_all;
use kilnworks_workflows::names;
use kube::{Api, api::ListParams};
use serde::de::DeserializeOwned;

use super::orphan::{Facts, Fate};
use crate::{
    cluster::{
        Cluster,
        delete::{delete, force},
        unavailable,
    },
    log::{
        Logs,
        keep::{Unkept, keep},
    },
};

/// How many objects are read at once: a Pod carries its Dockerfile.
const PAGE: u32 = 200;

/// Every Job and Pod of this installation, Jobs first.
pub async fn list(cluster: &Cluster) -> anyhow::Result<Vec<Facts>> {
    let selector = format!("{}={}", names::label("instance"), cluster.site.instance);
    let mut found = pages("Job", &cluster.jobs(), &selector).await?;
    found.extend(pages("Pod", &cluster.pods(), &selector).await?);
    Ok(found)
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

/// How many logs are kept at the same time.
const LOGS: usize = 8;

/// Deletes orphans once their logs are kept. Jobs go first: a Job makes a new Pod if its Pod is
/// deleted before it.
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
        unkept.extend(keep(logs, cluster, &pods).await);
    }
    for (object, fate) in orphans.iter().filter(|(object, _)| !unkept.holds(object.uid.as_ref())) {
        let (name, uid) = (&object.name, object.uid.clone());
        match (object.kind, fate) {
            (_, Fate::Left(_)) => {}
            ("Job", _) => delete(&cluster.jobs(), name, uid).await?,
            (_, Fate::Forced(_)) => force(&cluster.pods(), name, uid).await?,
            (_, Fate::Deleted(_)) => delete(&cluster.pods(), name, uid).await?,
        }
    }
    unkept.outcome()
}
