//! `clean_up`: deletes every object in the cluster that an execution made.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kilnworks_workflows::{names, steps::CleanUpInput};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use crate::{
    cluster::{Cluster, delete::delete, unavailable},
    log::{
        Logs,
        keep::{Unkept, keep},
    },
    pod::{equal::JOB_UID, phase, seen::SeenPod},
};

/// Pauses before it looks again for what a launch made meanwhile.
const AGAIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// Deletes the Jobs and Pods of an execution, finished or not, once their logs are kept. It returns
/// once every one of them is accepted for deletion; running it again finds nothing and is harmless.
///
/// A launch that was on its way may create its Pod after the first look. The launch asks Temporal
/// afterwards whether it is still wanted, and deletes the Pod itself; two more looks are for a launch
/// whose worker died in between.
pub async fn clean_up(
    cluster: &Cluster,
    logs: Logs<'_>,
    input: &CleanUpInput,
) -> anyhow::Result<()> {
    let instance = format!("{}={}", names::label("instance"), cluster.site.instance);
    let owned = format!("{instance},{}={}", names::label("run"), input.id.run_id);
    let pauses = AGAIN.into_iter().filter(|_| input.launching);
    for pause in std::iter::once(Duration::ZERO).chain(pauses) {
        tokio::time::sleep(pause).await;
        remove(cluster, logs, &owned).await?;
    }
    Ok(())
}

/// What still runs goes first: a log that cannot be kept now holds back its own Pod alone.
async fn remove(cluster: &Cluster, logs: Logs<'_>, owned: &str) -> anyhow::Result<()> {
    let (pods, jobs) = (cluster.pods(), cluster.jobs());
    let (pods, jobs) = tokio::try_join!(list(&pods, owned), list(&jobs, owned))?;
    let (running, ended): (Vec<SeenPod>, Vec<SeenPod>) =
        pods.into_iter().partition(phase::is_unfinished);
    let has = |pods: &[SeenPod], job: &Job| {
        pods.iter().any(|pod| pod.labels().get(JOB_UID) == job.metadata.uid.as_ref())
    };
    let (later, now): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| has(&ended, job));
    let mut unkept = keep(logs, cluster, &running).await;
    // Jobs first, or a Job would see its Pod go.
    delete_all(&cluster.jobs(), &now, &unkept).await?;
    delete_all(&cluster.pods(), &running, &unkept).await?;
    unkept.extend(keep(logs, cluster, &ended).await);
    delete_all(&cluster.jobs(), &later, &unkept).await?;
    delete_all(&cluster.pods(), &ended, &unkept).await?;
    unkept.outcome()
}

/// Finds what is not being deleted yet.
async fn list<K>(api: &Api<K>, owned: &str) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let selector = ListParams::default().labels(owned);
    let listed = api.list(&selector).await;
    let listed = listed.map_err(|error| unavailable("list what the build made", &error))?;
    let mut objects = listed.items;
    objects.retain(|object| object.meta().deletion_timestamp.is_none());
    Ok(objects)
}

async fn delete_all<K>(api: &Api<K>, objects: &[K], unkept: &Unkept) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    for object in objects.iter().filter(|object| !unkept.holds(object.meta().uid.as_ref())) {
        delete(api, &object.name_any(), object.uid()).await?;
    }
    Ok(())
}
