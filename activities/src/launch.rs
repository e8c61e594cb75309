//! `launch`: waits for room, then creates the Pod or Job. Launching twice makes one.
//!
//! Admission is counting: a Pod is created when fewer than `max_builds` of ours are unfinished.
//! Nothing is kept anywhere else, so a crash changes nothing. What waits here is few; all else
//! waits in the engine's task queue.

mod mountable;

use std::time::{Duration, SystemTime};

use anyhow::Context;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kilnworks_workflows::{
    failure::FailureType,
    progress::State,
    steps::{AwaitInput, LaunchInput, Launched, LaunchedKind},
};
use kube::api::PostParams;

use crate::{
    await_build,
    clean_up::delete,
    cluster::{Bell, Cluster, api_message, unavailable},
    engine::{Observer, Wish, unwanted},
    error::fail,
    metrics::{metrics, waiting::Waiting},
    nodes::Nodes,
    object::{self, Object},
    phase::is_overdue,
    pod, presigned,
    registry::RegistryClient,
    settings::LauncherKind,
    share::{
        Share,
        join::{Joined, join},
        leave::leave,
    },
    store::Access,
};

/// How long a launch waits to see what it created in the watch. Beyond that the next launch may
/// count one too few, which is better than none launching while the watch is away.
const SEEN: Duration = Duration::from_secs(5);

/// Whether anything may have been done before of what a run of a step is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// This is the first run of all that the attempt has.
    None,
    /// An earlier run may have come to anything.
    Some,
}

/// Creates the Pod or Job of an attempt, or finds it where an earlier run created it, or joins that
/// of an equal build.
///
/// `access` is how its executor gets the context. `past` says whether this attempt may have been
/// launched before.
/// `started` is when the step was first scheduled: its queued clock goes on over every run.
/// `wish` asks the engine what it wants of this step, before the Pod is created and after, as a
/// cancelled build's clean-up may have run in between.
pub async fn launch(
    cluster: &Cluster,
    access: &Access,
    input: LaunchInput,
    past: Past,
    observer: &mut Observer,
    started: SystemTime,
    wish: impl AsyncFn() -> Wish,
) -> anyhow::Result<Launched> {
    let mut share = Share::of(&cluster.site.instance, &input);
    let mut object = made(cluster, &input, access, share.as_ref())?;
    // A build that may share one may have gone on alone.
    if past == Past::Some
        && let Existing::Ours(launched) = existing(cluster, &input).await?
    {
        return Ok(launched);
    }
    let nodes = Nodes::of(input.build.platform());
    let mut queue = Queue {
        cluster,
        nodes,
        bell: cluster.bell(),
        started,
        limit: Duration::from_secs(input.build.clocks.queued),
        observer,
        waiting: None,
    };
    // Of the first run the watch, and the creation itself, tell enough.
    let (mut is_checked, mut look) = (false, past == Past::Some);
    // It was wanted a moment ago; after the creation it is asked in any case.
    let mut is_old = past == Past::Some;
    loop {
        if let Some(shared) = share.as_ref().filter(|it| look || cluster.shows(&it.hash)) {
            match join(cluster, shared, &wish).await? {
                Joined::Member(launched) => {
                    queue.tell();
                    return Ok(launched);
                }
                Joined::Nothing => {}
                Joined::Going => {
                    queue.wait("the Pod of an equal build is being deleted").await?;
                    is_old = true;
                    continue;
                }
                Joined::Spent => {
                    share = None;
                    object = made(cluster, &input, access, None)?;
                }
            }
        }
        if !is_checked {
            mountable::check(cluster, &input, access).await?;
            cluster.ready().await?;
            is_checked = true;
        }
        let share = share.as_ref();
        look = match admit(cluster, access, &input, share, &object, is_old, &wish).await? {
            Admission::Created(launched) => {
                queue.tell();
                tracing::info!(name = launched.name, "launched a build");
                return Ok(launched);
            }
            Admission::Taken => true,
            Admission::Later(refusal) => {
                queue.wait(&refusal).await?;
                is_old = true;
                false
            }
        };
    }
}

/// What an attempt came to that nobody awaited to its end: where its Pod is gone it may have pushed
/// its image, and been removed.
pub async fn finished(
    cluster: &Cluster,
    registry: &RegistryClient,
    input: &LaunchInput,
) -> anyhow::Result<Option<Launched>> {
    if let Existing::Ours(_) = existing(cluster, input).await? {
        return Ok(None);
    }
    let gone = Launched {
        kind: LaunchedKind::Pod,
        namespace: cluster.site.settings.namespace.clone(),
        name: pod::name(&input.id),
        uid: String::new(),
        joined: None,
        built: None,
    };
    let built = await_build::pushed(registry, &AwaitInput::of(input, gone.clone())).await?;
    Ok(built.map(|built| Launched { built: Some(built), ..gone }))
}

fn made(
    cluster: &Cluster,
    input: &LaunchInput,
    access: &Access,
    share: Option<&Share>,
) -> anyhow::Result<Object> {
    cluster.site.object(input, access, share).context("cannot make the Pod")
}

/// What waits for room.
struct Queue<'a> {
    cluster: &'a Cluster,
    nodes: Nodes,
    bell: Bell,
    started: SystemTime,
    limit: Duration,
    observer: &'a mut Observer,
    /// Once it has waited.
    waiting: Option<Waiting<'static>>,
}

impl Queue<'_> {
    /// Counts how long it took to have a Pod.
    fn tell(&self) {
        metrics().phase("queued", self.started.elapsed().unwrap_or_default());
    }

    /// Waits for a change, or fails when the queued clock has run out.
    async fn wait(&mut self, reason: &str) -> anyhow::Result<()> {
        if self.started.elapsed().unwrap_or_default() >= self.limit {
            let limit = humantime::format_duration(self.limit);
            let message = format!("the cluster had no room within {limit} (queued): {reason}");
            return Err(fail(FailureType::QuotaExceeded, message));
        }
        let started = self.started;
        self.waiting.get_or_insert_with(|| metrics().waits(started));
        match self.nodes.explain(self.cluster, reason).await {
            (reason, true) => self.observer.say(State::Queued, &reason).await,
            (reason, false) => self.observer.see(State::Queued, &reason).await,
        }
        self.bell.rung().await;
        Ok(())
    }
}

enum Admission {
    Created(Launched),
    /// An equal build has just made it.
    Taken,
    /// Not now, and why.
    Later(String),
}

/// Creates the object where there is room for it. Whether an old launch is still wanted is asked
/// before, too.
async fn admit(
    cluster: &Cluster,
    access: &Access,
    input: &LaunchInput,
    share: Option<&Share>,
    object: &Object,
    is_old: bool,
    wish: &impl AsyncFn() -> Wish,
) -> anyhow::Result<Admission> {
    let limit = cluster.site.settings.max_builds;
    let _room = match cluster.room(limit as usize) {
        Ok(room) => room,
        Err(running) => {
            let reason = format!("{running} of at most {limit} builds run");
            return Ok(Admission::Later(reason));
        }
    };
    if is_old && wish().await != Wish::Outcome {
        return Err(unwanted());
    }
    let object = presigned::signed(object, access, &input.build.clocks).await?;
    let error = match create(cluster, &object).await {
        Ok(launched) => {
            // Where another run has given the outcome, this Pod is what it gave.
            let (wish, ()) = tokio::join!(wish(), seen(cluster, &launched));
            if wish == Wish::End {
                match share {
                    Some(_) => leave(cluster, &launched, &input.id.run_id).await?,
                    None => remove(cluster, &launched).await?,
                }
                return Err(unwanted());
            }
            return Ok(Admission::Created(launched));
        }
        Err(error) => error,
    };
    match &error {
        kube::Error::Api(status) if status.is_already_exists() && share.is_some() => {
            Ok(Admission::Taken)
        }
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
        // A worker that may not create Pods (403) waits for the operator to see to it, too.
        _ => Err(unavailable("create the Pod", &error)),
    }
}

async fn create(cluster: &Cluster, object: &Object) -> kube::Result<Launched> {
    let params = PostParams::default();
    let (kind, meta) = match object {
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
    };
    Ok(launched(kind, meta))
}

fn launched(kind: LaunchedKind, meta: ObjectMeta) -> Launched {
    Launched {
        kind,
        namespace: meta.namespace.unwrap_or_default(),
        name: meta.name.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        joined: None,
        built: None,
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
    let mut bell = cluster.bell();
    let _ = tokio::time::timeout(SEEN, async {
        while cluster.watched(launched).is_none() {
            bell.rung().await;
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
    let name = pod::name(&input.id);
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
    let ours = pod::labels(&cluster.site.instance, &input.id);
    if !ours.iter().all(|(label, value)| labels.get(label) == Some(value)) {
        let message = format!("`{name}` is there already and is not this build's");
        return Err(fail(FailureType::Conflict, message));
    }
    // What is long past its end lies on a node that is lost: who awaits it says so.
    let is_ending = meta.deletion_timestamp.is_some() && !is_overdue(&meta, Timestamp::now());
    Ok(match is_ending {
        true => Existing::Ending,
        false => Existing::Ours(launched(kind, meta)),
    })
}

#[cfg(test)]
mod tests;
