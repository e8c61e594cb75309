//! `await_build`: waits for the end of the executor, and says what came of it: an image that the
//! registry has, or a classified failure.
//!
//! It holds no state. Every clock is counted from the times in the Pod's own status, so another
//! worker that begins anew goes on where this one was. When it fails the Pod is still there: the
//! workflow's clean-up deletes it.

mod clocks;
mod place;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    names,
    progress::State,
    steps::{AwaitInput, BuildId, Built},
};
use kube::ResourceExt;

use crate::{
    cluster::{Cluster, Found},
    engine::Observer,
    error::{Ended, is},
    launch::Past,
    log::{
        self, Log, Logs,
        follow::{Seen, follow},
    },
    metrics::metrics,
    nodes::Nodes,
    phase::{self, Standing},
    phases::{self, Pushing},
    redact,
    registry::RegistryClient,
    seen::SeenPod,
    verdict,
};

/// How long a silent wait lasts before the events are read, and the pause between two readings.
const EVENTS: Duration = Duration::from_secs(2);

/// What came of a build that has its image.
pub struct Awaited {
    /// The image.
    pub built: Built,
    /// Whether all of its log is kept.
    pub is_kept: bool,
}

/// One run of a wait.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// When the step was first scheduled: for a build that joined another's Pod, no clock has run
    /// before.
    pub since: SystemTime,
    /// Whether it may have been awaited before.
    pub past: Past,
    /// Whether a build that fails is awaited anew, which then tells of it.
    pub leaves_failures: bool,
}

/// Waits for the end of a build, and keeps its log meanwhile.
pub async fn await_build(
    cluster: &Cluster,
    registry: &RegistryClient,
    logs: Logs<'_>,
    input: &AwaitInput,
    observer: &mut Observer,
    run: Run,
) -> anyhow::Result<Awaited> {
    let Run { since, past, leaves_failures } = run;
    let joined = input.launched.joined.as_ref().and_then(|_| Timestamp::try_from(since).ok());
    let BuildId { run_id, platform, attempt, .. } = &input.id;
    let prefix = names::log_prefix(run_id, platform, *attempt);
    let seen = Seen::default();
    let keeping = follow(logs, cluster, &input.launched, &prefix, past, &seen);
    let waiting = wait(cluster, input, observer, joined);
    tokio::pin!(keeping, waiting);
    let is_kept = AtomicBool::new(false);
    let ended = tokio::select! {
        ended = &mut waiting => ended,
        () = &mut keeping => {
            is_kept.store(true, Ordering::Relaxed);
            waiting.await
        }
    };
    let rest = async {
        if !is_kept.load(Ordering::Relaxed) {
            // What is not kept by then is read again before the Pod is deleted.
            is_kept.store(seen.rest(keeping).await, Ordering::Relaxed);
        }
    };
    let over = ended.as_ref().ok().cloned().flatten();
    let outcome = match ended {
        // Boxed, as a build waits much longer than it is judged, and thousands wait.
        Ok(Some(pod)) => Box::pin(conclude(cluster, registry, logs, input, &pod, rest)).await,
        Ok(None) => {
            rest.await;
            Box::pin(lost(registry, input, gone())).await
        }
        Err(error) => Err(error),
    };
    // Whose Pod it is tells of it.
    if joined.is_none() && !(leaves_failures && outcome.is_err()) {
        tell(&outcome, over.as_deref(), &seen.pushing);
    }
    let is_kept = is_kept.load(Ordering::Relaxed);
    outcome.map(|built| Awaited { built, is_kept }).map_err(|error| match error.downcast() {
        Ok(Ended(failure)) => {
            Ended(Failure { log: Some(logs.store.url(&prefix)), ..failure }).into()
        }
        Err(error) => error,
    })
}

/// Counts an attempt, where this is its end and not only this run's.
fn tell(outcome: &anyhow::Result<Built>, pod: Option<&SeenPod>, pushing: &Pushing) {
    let failure = match outcome {
        Ok(_) => None,
        Err(error) => match error.downcast_ref() {
            Some(Ended(failure)) => Some(failure.kind),
            None => return,
        },
    };
    metrics().attempt(failure);
    if let Some(pod) = pod {
        phases::tell(pod, pushing);
    }
}

/// Waits until the executor has ended, and gives its Pod; none where that is gone.
async fn wait(
    cluster: &Cluster,
    input: &AwaitInput,
    observer: &mut Observer,
    joined: Option<Timestamp>,
) -> anyhow::Result<Option<Arc<SeenPod>>> {
    let mut bell = cluster.bell();
    let mut explained = Explained::default();
    let mut nodes = Nodes::of(input.platform.as_deref());
    cluster.ready().await?;
    loop {
        let now = Timestamp::now();
        let seen = cluster.watched(&input.launched);
        // Boxed, as in all of these: a build waits much longer for the bell, and thousands wait.
        let standing = match Box::pin(cluster.find(&input.launched)).await? {
            Found::Pod(pod) if phase::is_over(&pod, now) => return Ok(Some(pod)),
            Found::Pod(pod) => {
                let uid = pod.uid().unwrap_or_default();
                Box::pin(explained.fill(cluster, &uid, phase::standing(&pod))).await
            }
            Found::NotYet => {
                let none =
                    Standing { state: State::Scheduling, since: None, reason: String::new() };
                Box::pin(explained.fill(cluster, &input.launched.uid, none)).await
            }
            Found::Gone => return Ok(None),
        };
        let standing = Box::pin(placed(cluster, &mut nodes, standing, observer)).await;
        let standing = clocks::counted(standing, joined);
        if let Some(failure) = clocks::ran_out(&standing, &input.clocks, now) {
            // The watch may be behind: the API's word counts before a build is given up.
            return match Box::pin(cluster.ask(&input.launched)).await? {
                Found::Pod(pod) if phase::is_over(&pod, now) => Ok(Some(pod)),
                Found::Pod(pod) if phase::standing(&pod).state != standing.state => {
                    bell.rung_for(cluster, &input.launched, seen.as_deref()).await;
                    continue;
                }
                Found::Gone => Ok(None),
                _ => Err(failed(input, failure)),
            };
        }
        bell.rung_for(cluster, &input.launched, seen.as_deref()).await;
    }
}

/// Tells where a Pod stands: at once where no node can ever take it, as the cluster is.
async fn placed(
    cluster: &Cluster,
    nodes: &mut Nodes,
    standing: Standing,
    observer: &mut Observer,
) -> Standing {
    let (reason, lacks) = match standing.state {
        State::Scheduling => nodes.explain(cluster, &standing.reason).await,
        _ => (standing.reason, false),
    };
    match lacks {
        true => observer.say(standing.state, &reason).await,
        false => observer.see(standing.state, &reason).await,
    }
    Standing { reason, ..standing }
}

fn gone() -> Failure {
    Failure::new(FailureType::PodDeleted, "someone deleted the Pod")
}

/// The reason of a wait that the Pod's status keeps to itself, out of the events.
#[derive(Default)]
struct Explained {
    state: Option<State>,
    since: Option<Instant>,
    began: Option<Timestamp>,
    read: Option<Instant>,
    warning: Option<String>,
}

impl Explained {
    async fn fill(&mut self, cluster: &Cluster, uid: &str, standing: Standing) -> Standing {
        if self.state != Some(standing.state) {
            *self = Self {
                state: Some(standing.state),
                since: Some(Instant::now()),
                began: Some(Timestamp::now()),
                ..Self::default()
            };
        }
        let rested = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() >= EVENTS);
        let silent = standing.reason.is_empty() && standing.state != State::Building;
        if silent && rested(self.since) && rested(self.read) {
            self.read = Some(Instant::now());
            self.warning = cluster.warnings.latest(cluster, uid).await.or(self.warning.take());
        }
        let warning = self.warning.clone().filter(|_| silent);
        Standing {
            // A Job without a Pod has no times of its own to count from.
            since: standing.since.or(self.began),
            reason: warning.unwrap_or(standing.reason),
            ..standing
        }
    }
}

/// What came of a build that is over, once the rest of its log is kept.
async fn conclude(
    cluster: &Cluster,
    registry: &RegistryClient,
    logs: Logs<'_>,
    input: &AwaitInput,
    pod: &SeenPod,
    rest: impl Future<Output = ()>,
) -> anyhow::Result<Built> {
    if let Some(digest) = verdict::digest(pod) {
        let pushed = input.launched.joined.as_deref().map(names::repository_of);
        let pushed = pushed.as_ref().unwrap_or(&input.repository);
        let reference = names::reference(pushed, digest);
        let (image, ()) = tokio::join!(registry.look(&reference, &input.registry), rest);
        return match image? {
            Some((built, manifest)) => {
                place::place(registry, input, &built, &manifest).await?;
                Ok(Built { pod_seconds: phase::seconds(pod), ..built })
            }
            None => {
                let message = format!(
                    "the executor pushed `{reference}`, and the registry has no such image"
                );
                let failure = Failure::new(FailureType::RegistryUnavailable, message);
                Err(failed(input, failure))
            }
        };
    }
    rest.await;
    let BuildId { run_id, platform, attempt, .. } = &input.id;
    let prefix = names::log_prefix(run_id, platform, *attempt);
    redact::learn_of(cluster, pod).await?;
    // As the log says it, so that its instructions are found; line by line, as lines are counted.
    let redactor = redact::known();
    let dockerfile = input.dockerfile.lines().map(|line| redactor.text(line) + "\n");
    let dockerfile: String = dockerfile.collect();
    let log = match log::whole(logs.store, cluster, &prefix, &pod.name_any()).await {
        Ok(log) => log,
        // The end of the log is in the status too, if shorter.
        Err(error) => {
            tracing::warn!(pod = pod.name_any(), "cannot read the executor's log: {error:#}");
            let end = phase::terminated(pod).and_then(|end| end.message.as_deref());
            Log::of(end.unwrap_or_default())
        }
    };
    lost(registry, input, verdict::verdict(pod, &log, &dockerfile)).await
}

/// A build whose Pod the cluster took, or someone deleted, may have pushed its image before: the
/// registry is asked for the tag that the attempt pushes last.
async fn lost(
    registry: &RegistryClient,
    input: &AwaitInput,
    failure: Failure,
) -> anyhow::Result<Built> {
    use FailureType::{Evicted, NodeLost, PodDeleted};
    if !matches!(failure.kind, Evicted | NodeLost | PodDeleted) {
        return Err(failed(input, failure));
    }
    match pushed(registry, input).await? {
        Some(built) => {
            tracing::info!("the Pod was lost after it had pushed: {failure}");
            Ok(built)
        }
        None => Err(failed(input, failure)),
    }
}

/// The image that an attempt pushed, where it did so, by the tag that it pushes last.
pub(crate) async fn pushed(
    registry: &RegistryClient,
    input: &AwaitInput,
) -> anyhow::Result<Option<Built>> {
    let tag = input.attempt_tag();
    let own = || format!("{}:{tag}", input.repository);
    let pushed = input.launched.joined.clone().unwrap_or_else(own);
    let image = match registry.look(&pushed, &input.registry).await {
        // So do some registries answer for a repository that is not there yet.
        Err(error) if is(&error, FailureType::RegistryDenied) => None,
        image => image?,
    };
    let Some((built, manifest)) = image else { return Ok(None) };
    place::place(registry, input, &built, &manifest).await?;
    Ok(Some(built))
}

/// A failure of this attempt. The Pod has ended or is given up, so running the step again cannot
/// mend it, whatever its type.
fn failed(input: &AwaitInput, failure: Failure) -> anyhow::Error {
    let mut failure = failure.of(&input.id.component, &input.id.container);
    failure.attempt = Some(input.id.attempt);
    failure.pod.get_or_insert_with(|| input.launched.name.clone());
    Ended(failure).into()
}
