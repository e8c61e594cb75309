//! `clean_up`: removes every object in the cluster that an execution made.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kilnworks_workflows::{
    names,
    steps::{CleanUpInput, Launched, LaunchedKind},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Preconditions},
};
use serde::de::DeserializeOwned;

use crate::{
    cluster::{Cluster, JOB_UID, unavailable},
    fault,
    log::{
        Logs,
        keep::{Unkept, keep},
    },
    phase,
    pod::GRACE_SECONDS,
    seen::SeenPod,
    share::{self, leave::leave},
};

/// Pauses before it looks again for what a launch made meanwhile.
const AGAIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// How long an image waits for the removal of what it was made by.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes the Jobs and Pods of an execution, finished or not, once their logs are kept, and leaves
/// those that it shares. It returns once every one of them is accepted for deletion; running it
/// again finds nothing and is harmless.
///
/// A launch that was on its way may create its Pod after the first look. It asks after that
/// whether it is still wanted and deletes it itself; two more looks are for a launch that was cut
/// off in between.
pub async fn clean_up(
    cluster: &Cluster,
    logs: Logs<'_>,
    input: CleanUpInput,
) -> anyhow::Result<()> {
    clean(cluster, logs, input, None).await
}

/// `kept` is the Pod or Job of which the whole log is kept.
async fn clean(
    cluster: &Cluster,
    logs: Logs<'_>,
    input: CleanUpInput,
    kept: Option<&str>,
) -> anyhow::Result<()> {
    let instance = format!("{}={}", names::label("instance"), cluster.site.instance);
    let (run, shared) = (names::label("run"), names::label("shared"));
    let run_id = &input.run_id;
    let alone = format!("{instance},{run}={run_id},!{shared}");
    let member = format!("{instance},{}", names::member(run_id));
    let pauses = AGAIN.into_iter().filter(|_| input.launching);
    for pause in std::iter::once(Duration::ZERO).chain(pauses) {
        tokio::time::sleep(pause).await;
        // What cannot go now holds back nothing else.
        let removed = remove(cluster, logs, &alone, run_id, kept).await;
        leave_all(cluster, logs, &member, run_id, kept).await?;
        removed?;
    }
    Ok(())
}

/// What a build that has its image was made by.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// The Pod or Job.
    pub launched: &'a Launched,
    /// Whether all of its log is kept.
    pub is_kept: bool,
    /// Whether the execution has made nothing else.
    pub is_all: bool,
}

/// Does the same for a build that has its image, which is not to wait for it: false where it is to
/// be done again.
pub async fn tidy_up(
    cluster: &Cluster,
    logs: Logs<'_>,
    input: CleanUpInput,
    made: Made<'_>,
) -> bool {
    let Made { launched, is_kept, is_all } = made;
    let tidying = async {
        let pod = cluster.watched(launched).filter(|_| launched.kind == LaunchedKind::Pod);
        match pod.filter(|_| is_kept && is_all) {
            // Nobody needs to look for it.
            Some(pod) if share::is_shared(pod.meta()) => {
                leave(cluster, launched, &input.run_id).await
            }
            Some(pod) => delete(&cluster.pods(), &launched.name, pod.uid()).await,
            None => {
                let kept = is_kept.then_some(launched.uid.as_str());
                clean(cluster, logs, input, kept).await
            }
        }
    };
    let tidying = fault::around("clean_up", tidying);
    let why = match tokio::time::timeout(PATIENCE, tidying).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("not done within {} s", PATIENCE.as_secs()),
    };
    tracing::info!("what the build made is removed later: {why}");
    false
}

/// What still runs goes first: a log that cannot be kept now holds back its own Pod alone.
async fn remove(
    cluster: &Cluster,
    logs: Logs<'_>,
    owned: &str,
    run_id: &str,
    kept: Option<&str>,
) -> anyhow::Result<()> {
    let (pods, jobs) = (cluster.pods(), cluster.jobs());
    let (pods, jobs) = tokio::try_join!(list(&pods, owned), list(&jobs, owned))?;
    let (running, ended): (Vec<SeenPod>, Vec<SeenPod>) =
        pods.into_iter().partition(phase::is_unfinished);
    let has = |pods: &[SeenPod], job: &Job| {
        pods.iter().any(|pod| pod.labels().get(JOB_UID) == job.metadata.uid.as_ref())
    };
    let (later, now): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| has(&ended, job));
    let mut unkept = keep(logs, cluster, &running, Some(run_id), None).await;
    // Jobs first, or a Job would see its Pod go.
    delete_all(&cluster.jobs(), &now, &unkept).await?;
    delete_all(&cluster.pods(), &running, &unkept).await?;
    unkept.extend(keep(logs, cluster, &ended, Some(run_id), kept).await);
    delete_all(&cluster.jobs(), &later, &unkept).await?;
    delete_all(&cluster.pods(), &ended, &unkept).await?;
    unkept.outcome()
}

/// Leaves what the execution shares, once its own log is kept. What still runs goes first, here too.
async fn leave_all(
    cluster: &Cluster,
    logs: Logs<'_>,
    member: &str,
    run_id: &str,
    kept: Option<&str>,
) -> anyhow::Result<()> {
    let mut shared = Vec::new();
    let (pods, jobs) = (cluster.pods(), cluster.jobs());
    let (pods, jobs) = tokio::try_join!(list(&pods, member), list(&jobs, member))?;
    for pod in pods {
        shared.push((launched(LaunchedKind::Pod, &pod), vec![pod]));
    }
    for job in jobs {
        let uid = job.uid().unwrap_or_default();
        let pods = list(&cluster.pods(), &format!("{JOB_UID}={uid}")).await?;
        shared.push((launched(LaunchedKind::Job, &job), pods));
    }
    shared.sort_by_key(|(_, pods)| !pods.iter().all(phase::is_unfinished));
    let mut unkept = Unkept::default();
    for (launched, pods) in &shared {
        unkept.extend(keep(logs, cluster, pods, Some(run_id), kept).await);
        if !unkept.holds(Some(&launched.uid)) {
            leave(cluster, launched, run_id).await?;
        }
    }
    unkept.outcome()
}

/// Leaves what an execution shares under another name than this: an earlier rendering of it, which
/// found other base images, launched that.
pub async fn leave_others(cluster: &Cluster, run_id: &str, name: &str) -> anyhow::Result<()> {
    let instance = format!("{}={}", names::label("instance"), cluster.site.instance);
    let member = format!("{instance},{}", names::member(run_id));
    let (pods, jobs) = (cluster.pods(), cluster.jobs());
    let (pods, jobs) = tokio::try_join!(list(&pods, &member), list(&jobs, &member))?;
    let pods = pods.iter().map(|pod| launched(LaunchedKind::Pod, pod));
    let jobs = jobs.iter().map(|job| launched(LaunchedKind::Job, job));
    for other in pods.chain(jobs).filter(|one| one.name != name) {
        leave(cluster, &other, run_id).await?;
    }
    Ok(())
}

fn launched<K: Resource>(kind: LaunchedKind, object: &K) -> Launched {
    let meta = object.meta();
    Launched {
        kind,
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        joined: None,
        key: None,
        built: None,
    }
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

/// Deletes one object, and no other of its name. One that is gone already is fine.
pub async fn delete<K>(api: &Api<K>, name: &str, uid: Option<String>) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    delete_version(api, name, uid, None).await
}

/// The same, where it has not changed since it had this version.
pub async fn delete_version<K>(
    api: &Api<K>,
    name: &str,
    uid: Option<String>,
    resource_version: Option<String>,
) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let params = deletion(Preconditions { uid, resource_version });
    match api.delete(name, &params).await {
        Ok(_) => Ok(()),
        // Gone, or changed, or another object has its name by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(unavailable(&format!("delete `{name}`"), &error)),
    }
}

/// How what we made is deleted.
pub(crate) fn deletion(preconditions: Preconditions) -> DeleteParams {
    DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::background().grace_period(GRACE_SECONDS)
    }
}
