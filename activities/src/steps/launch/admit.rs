//! The admission of one Pod or Job: counted, created, or found.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kilnworks_workflows::{
    failure::FailureType,
    steps::{LaunchInput, Launched, LaunchedKind},
};
use kube::api::PostParams;

use crate::{
    cluster::{Cluster, api_message, delete::delete, unavailable},
    error::fail,
    pod::{
        access::Access,
        manifest,
        object::{self, Object},
        phase::is_overdue,
        presigned,
    },
    settings::LauncherKind,
    temporal::{StepStatus, unwanted},
};

/// How long a launch waits to see what it created in the watch. Beyond that the next launch may
/// count one too few, which is better than no launch while the watch is away.
const SEEN: Duration = Duration::from_secs(5);

/// What came of asking for a place.
pub(super) enum Admission {
    Created(Launched),
    /// Not now, and why.
    Later(String),
}

/// Creates the object where there is room for it.
pub(super) async fn admit(
    cluster: &Cluster,
    access: &Access,
    input: &LaunchInput,
    object: &Object,
    status: &impl AsyncFn() -> StepStatus,
) -> anyhow::Result<Admission> {
    let limit = cluster.site.settings.max_builds;
    let _room = match cluster.room(limit as usize) {
        Ok(room) => room,
        Err(running) => {
            let reason = format!("{running} of at most {limit} builds run");
            return Ok(Admission::Later(reason));
        }
    };
    if status().await != StepStatus::Wanted {
        return Err(unwanted());
    }
    let object = presigned::signed(object, access, &input.build.timeouts).await?;
    let launched = match create(cluster, &object).await {
        Ok((kind, meta)) => launched(input, kind, meta),
        Err(error) => return refused(cluster, input, error).await,
    };
    // Where another run has given the result, this Pod is in it.
    let (status, ()) = tokio::join!(status(), seen(cluster, &launched));
    if status == StepStatus::Unwanted {
        remove(cluster, &launched).await?;
        return Err(unwanted());
    }
    Ok(Admission::Created(launched))
}

/// What it means that the API server did not create the object.
async fn refused(
    cluster: &Cluster,
    input: &LaunchInput,
    error: kube::Error,
) -> anyhow::Result<Admission> {
    match &error {
        kube::Error::Api(status) if status.is_already_exists() => {
            Ok(match existing(cluster, input).await? {
                Existing::Ours(launched) => Admission::Created(launched),
                Existing::Ending => Admission::Later("its last Pod is being deleted".to_owned()),
                Existing::None => Admission::Later("its last Pod was deleted just now".to_owned()),
            })
        }
        // A quota, or two that were counted at once.
        kube::Error::Api(status)
            if status.code == 403 && status.message.contains("exceeded quota") =>
        {
            Ok(Admission::Later(status.message.clone()))
        }
        kube::Error::Api(status) if status.code == 409 => {
            Ok(Admission::Later(status.message.clone()))
        }
        kube::Error::Api(status) if matches!(status.code, 400 | 422) => {
            let message = format!("the cluster refuses the Pod: {}", api_message(&error));
            Err(fail(FailureType::InvalidSpec, message))
        }
        // A worker that may not create Pods (403) waits for the operator to change that, too.
        _ => Err(unavailable("create the Pod", &error)),
    }
}

async fn create(cluster: &Cluster, object: &Object) -> kube::Result<(LaunchedKind, ObjectMeta)> {
    let params = PostParams::default();
    Ok(match object {
        Object::Pod(pod) => {
            let created = cluster.new_pods().create(&params, pod).await?;
            (LaunchedKind::Pod, created.metadata)
        }
        Object::Job(job) => {
            // A Job is accepted whatever becomes of its Pod: a quota, or the API server's own
            // checks, would speak only to its controller.
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            cluster.new_pods().create(&dry, &object::pod_of(job)).await?;
            let created = cluster.jobs().create(&params, job).await?;
            (LaunchedKind::Job, created.metadata)
        }
    })
}

fn launched(input: &LaunchInput, kind: LaunchedKind, meta: ObjectMeta) -> Launched {
    Launched {
        kind,
        namespace: meta.namespace.unwrap_or_default(),
        name: meta.name.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        pushes: input.pushes(),
        is_others: false,
    }
}

async fn remove(cluster: &Cluster, launched: &Launched) -> anyhow::Result<()> {
    let uid = Some(launched.uid.clone());
    match launched.kind {
        LaunchedKind::Pod => delete(&cluster.pods(), &launched.name, uid).await,
        LaunchedKind::Job => delete(&cluster.jobs(), &launched.name, uid).await,
    }
}

/// Waits until the watch counts what was created.
async fn seen(cluster: &Cluster, launched: &Launched) {
    let mut changes = cluster.changes();
    let _ = tokio::time::timeout(SEEN, async {
        while cluster.watched(launched).is_none() {
            changes.next().await;
        }
    })
    .await;
}

/// What has the name already that only this attempt's object has.
enum Existing {
    None,
    /// An earlier run of this step made it.
    Ours(Launched),
    /// So it did, but it is being deleted.
    Ending,
}

/// Finds out whose the object of this name is. Anyone else's is a `Conflict`.
async fn existing(cluster: &Cluster, input: &LaunchInput) -> anyhow::Result<Existing> {
    let name = input.pod_name();
    let (kind, meta) = match cluster.site.settings.launcher {
        LauncherKind::Pod => {
            let pod = cluster.pods().get_opt(&name).await;
            let pod = pod.map_err(|error| unavailable("read the Pod", &error))?;
            (LaunchedKind::Pod, pod.map(|pod| pod.metadata))
        }
        LauncherKind::Job => {
            let job = cluster.jobs().get_opt(&name).await;
            let job = job.map_err(|error| unavailable("read the Job", &error))?;
            (LaunchedKind::Job, job.map(|job| job.metadata))
        }
    };
    let Some(meta) = meta else {
        return Ok(Existing::None);
    };
    let labels = meta.labels.clone().unwrap_or_default();
    let ours = manifest::labels(&cluster.site.instance, &input.id);
    if !ours.iter().all(|(label, value)| labels.get(label) == Some(value)) {
        let message = format!("`{name}` is there already and is not this build's");
        return Err(fail(FailureType::Conflict, message));
    }
    // An object long past its end lies on a node that is lost: `await_build` says so.
    let is_ending = meta.deletion_timestamp.is_some() && !is_overdue(&meta, Timestamp::now());
    Ok(match is_ending {
        true => Existing::Ending,
        false => Existing::Ours(launched(input, kind, meta)),
    })
}
