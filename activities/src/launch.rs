//! `launch`: waits for room, then creates the Pod or Job. Launching twice makes one.
//!
//! Admission is counting: a Pod is created when fewer than `max_builds` of ours are unfinished.
//! Nothing is kept anywhere else, so a crash changes nothing. What waits here is few; all else
//! waits in the engine's task queue.

mod admit;
mod mountable;

use std::{
    sync::atomic::Ordering,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use kilnworks_workflows::{
    failure::FailureType,
    progress::State,
    steps::{AwaitInput, LaunchInput, Launched, LaunchedKind},
};

use self::admit::{Admission, Existing, admit, existing};
use crate::{
    await_build,
    clean_up::leave_others,
    cluster::{Bell, Cluster},
    engine::{Observer, Wish},
    error::fail,
    metrics::{metrics, waiting::Waiting},
    nodes::Nodes,
    object::Object,
    pod,
    registry::RegistryClient,
    share::{
        Share,
        join::{Joined, join},
    },
    store::Access,
};

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
    if input.again
        && input.id.attempt == 1
        && input.id.platform.is_empty()
        && let Some(share) = &share
    {
        leave_others(cluster, &input.id.run_id, &share.name).await?;
    }
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

/// The same for a first launch that comes with its rendering, where that can be done at once:
/// nothing where there is no room, where another launch of this worker waits for some, and where
/// the build shares nothing with equal ones. By the name of what is shared, which is made of the
/// content key, a Pod of this rendering is never taken for one of another.
pub async fn at_once(
    cluster: &Cluster,
    access: &Access,
    input: &LaunchInput,
    started: SystemTime,
    wish: impl AsyncFn() -> Wish,
) -> anyhow::Result<Option<Launched>> {
    let Some(share) = Share::of(&cluster.site.instance, input) else { return Ok(None) };
    if cluster.waiting.load(Ordering::Relaxed) > 0 {
        return Ok(None);
    }
    let object = made(cluster, input, access, Some(&share))?;
    // To join another's takes a step of its own: its clocks are counted from that step's beginning.
    if cluster.shows(&share.hash) {
        return Ok(None);
    }
    mountable::check(cluster, input, access).await?;
    cluster.ready().await?;
    let admitted = admit(cluster, access, input, Some(&share), &object, false, &wish).await?;
    let Admission::Created(launched) = admitted else { return Ok(None) };
    metrics().phase("queued", started.elapsed().unwrap_or_default());
    tracing::info!(name = launched.name, "launched a build");
    Ok(Some(Launched { key: input.rendered.key.clone(), ..launched }))
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
        key: None,
        built: None,
    };
    let built = await_build::pushed(registry, &AwaitInput::of(input, gone.clone())).await?;
    Ok(built.map(|built| Launched { built: Some(Box::new(built)), ..gone }))
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
        if self.waiting.is_none() {
            self.waiting = Some(metrics().waits(self.started));
            self.cluster.waiting.fetch_add(1, Ordering::Relaxed);
        }
        match self.nodes.explain(self.cluster, reason).await {
            (reason, true) => self.observer.say(State::Queued, &reason).await,
            (reason, false) => self.observer.see(State::Queued, &reason).await,
        }
        self.bell.rung().await;
        Ok(())
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            self.cluster.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
