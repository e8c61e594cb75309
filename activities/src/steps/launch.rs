//! `launch`: waits for room, creates the Pod or Job, and ends. Launching twice makes one.
//!
//! Admission is counting: a Pod is created while fewer than `max_builds` of this installation are
//! unfinished. Nothing else keeps a count, so a crash changes nothing. Few launches wait here; the
//! builds behind them wait in Temporal's task queue.

mod admit;
mod mountable;

use std::time::{Duration, SystemTime};

use anyhow::Context;
use kilnworks_workflows::{
    failure::FailureType,
    progress::State,
    steps::{LaunchInput, Launched},
};

use self::admit::{Admission, admit};
use crate::{
    cluster::{Cluster, PodChanges, nodes::Nodes},
    error::fail,
    metrics::{metrics, waiting::Waiting},
    pod::{access::Access, equal},
    temporal::{Observer, StepStatus, time},
    turn,
};

/// Creates the Pod or Job of an attempt, or finds it where an earlier run created it, or finds that of
/// an equal build.
///
/// `access` is how its executor gets the context. `status` asks Temporal whether the step is still wanted,
/// before the Pod is created and after: a cancelled build's clean-up may have run in between.
pub async fn launch(
    cluster: &Cluster,
    access: &Access,
    input: &LaunchInput,
    observer: &Observer,
    status: impl AsyncFn() -> StepStatus,
) -> anyhow::Result<Launched> {
    let object = cluster.site.object(input, access).context("cannot make the Pod")?;
    let content = equal::content(&cluster.site.instance, input);
    let mut queue = Queue {
        cluster,
        nodes: Nodes::of(input.build.platform()),
        changes: cluster.changes(),
        started: time(&input.since),
        limit: Duration::from_secs(input.build.timeouts.queued),
        observer,
        waiting: None,
    };
    mountable::check(cluster, input, access).await?;
    cluster.ready().await?;
    loop {
        // Of equal builds that this worker launches at once, the second finds the Pod of the first.
        let turn = match &content {
            Some(content) => Some(turn::wait(content).await),
            None => None,
        };
        let found = match cluster.launched(input) {
            Some(own) => Some(own),
            None if input.alone => None,
            None => content.as_ref().and_then(|it| cluster.another(it, &input.id.run_id)),
        };
        if let Some(launched) = found {
            queue.count();
            return Ok(launched);
        }
        let admission = admit(cluster, access, input, &object, &status).await?;
        drop(turn);
        match admission {
            Admission::Created(launched) => {
                queue.count();
                tracing::info!(name = launched.name, "launched a build");
                return Ok(launched);
            }
            Admission::Later(reason) => queue.wait(&reason).await?,
        }
    }
}

/// A launch that waits for room.
struct Queue<'a> {
    cluster: &'a Cluster,
    nodes: Nodes,
    changes: PodChanges,
    started: SystemTime,
    limit: Duration,
    observer: &'a Observer,
    /// Once it has waited.
    waiting: Option<Waiting<'static>>,
}

impl Queue<'_> {
    /// Records how long it took to have a Pod.
    fn count(&self) {
        metrics().phase("queued", self.started.elapsed().unwrap_or_default());
    }

    /// Waits for a change, or fails when the queued timeout has run out.
    async fn wait(&mut self, reason: &str) -> anyhow::Result<()> {
        if self.started.elapsed().unwrap_or_default() >= self.limit {
            let limit = humantime::format_duration(self.limit);
            let message = format!("the cluster had no room within {limit} (queued): {reason}");
            return Err(fail(FailureType::QuotaExceeded, message));
        }
        if self.waiting.is_none() {
            self.waiting = Some(metrics().waits(self.started));
        }
        match self.nodes.explain(self.cluster, reason).await {
            (reason, true) => self.observer.see_at_once(State::Queued, &reason).await,
            (reason, false) => self.observer.see(State::Queued, &reason).await,
        }
        self.changes.next().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
