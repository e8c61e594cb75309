//! `await_build`: waits for the end of the executor, and returns what came of it: an image that the
//! registry has, or a classified failure.
//!
//! It keeps no state. Every timeout is counted from the times in the Pod's own status, so another
//! worker that takes the step over goes on where this one was. When it fails the Pod is still there:
//! the workflow's clean-up deletes it.

mod timeouts;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    build_id::BuildId,
    failure::{Failure, FailureType},
    names,
    progress::State,
    steps::{AwaitInput, Built},
};
use kube::ResourceExt;

use crate::{
    cluster::{Cluster, Found, nodes::Nodes},
    error::{Ended, is},
    log::{
        self, Log, Logs,
        follow::{LogProgress, follow},
        live::learn_secrets,
        verdict,
    },
    metrics::metrics,
    pod::{
        phase::{self, Standing},
        phases::{self, Pushing},
        seen::SeenPod,
    },
    registry::RegistryClient,
    secrets::redact,
    temporal::{Observer, StepStatus, unwanted},
};

/// How long a silent wait lasts before the events are read, and the pause between two readings.
const EVENTS: Duration = Duration::from_secs(2);

/// What a wait works with.
pub struct Await<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The registries.
    pub registry: &'a RegistryClient,
    /// Where logs are kept.
    pub logs: Logs<'a>,
    /// Reports what the build waits for.
    pub observer: &'a Observer,
    /// When the step was first scheduled: from then on the timeouts count for another build's Pod.
    pub since: SystemTime,
}

/// Waits for the end of a build. None where it was another build's Pod, and that made no image.
///
/// `status` asks Temporal whether the step is still wanted: a Pod that is gone may have been deleted by
/// the clean-up of this build.
pub async fn await_build(
    with: Await<'_>,
    input: &AwaitInput,
    status: impl AsyncFn() -> StepStatus,
) -> anyhow::Result<Option<Built>> {
    match input.launched.is_others {
        true => with.another(input).await,
        false => with.own(input, status).await.map(Some),
    }
}

impl Await<'_> {
    /// Waits for another build's Pod, by this build's timeouts.
    async fn another(&self, input: &AwaitInput) -> anyhow::Result<Option<Built>> {
        let began = Timestamp::try_from(self.since).ok();
        let pod = match wait(self.cluster, input, self.observer, began).await {
            Ok(pod) => pod,
            // Its time with that Pod is over; with a Pod of its own it has all of its time.
            Err(error) if error.is::<Ended>() => return Ok(None),
            Err(error) => return Err(error),
        };
        let digest = pod.as_deref().and_then(verdict::digest);
        let repository = names::repository_of(&input.launched.pushes);
        let image = match (digest, pod.is_some()) {
            (Some(digest), _) => names::reference(&repository, digest),
            (None, true) => return Ok(None),
            // The other build may have deleted it after its success.
            (None, false) => input.launched.pushes.clone(),
        };
        Ok(look(self.registry, input, &image)
            .await?
            .map(|built| Built { pod_seconds: 0.0, ..built }))
    }

    /// Waits for the build's own Pod, and keeps its log meanwhile.
    async fn own(
        &self,
        input: &AwaitInput,
        status: impl AsyncFn() -> StepStatus,
    ) -> anyhow::Result<Built> {
        let Self { cluster, registry, logs, observer, .. } = *self;
        let BuildId { run_id, platform, attempt, .. } = &input.id;
        let prefix = names::log_prefix(run_id, platform, *attempt);
        let seen = LogProgress::default();
        let keeping = follow(logs, cluster, &input.launched, &prefix, &seen);
        let waiting = wait(cluster, input, observer, None);
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
        // Boxed, as a build waits much longer than it is judged, and thousands wait.
        let outcome = match ended {
            Ok(Some(pod)) => Box::pin(conclude(cluster, registry, logs, input, &pod, rest)).await,
            Ok(None) => {
                rest.await;
                Box::pin(lost(registry, input, gone())).await
            }
            Err(error) => Err(error),
        };
        let is_lost = outcome.as_ref().is_err_and(|error| is(error, FailureType::PodDeleted));
        if is_lost && status().await != StepStatus::Wanted {
            return Err(unwanted());
        }
        count(&outcome, over.as_deref(), &seen.pushing);
        outcome.map_err(|error| match error.downcast() {
            Ok(Ended(failure)) => {
                Ended(Failure { log: Some(logs.store.url(&prefix)), ..failure }).into()
            }
            Err(error) => error,
        })
    }
}

/// Records an attempt in the metrics, where this is its end and not only this run's.
fn count(outcome: &anyhow::Result<Built>, pod: Option<&SeenPod>, pushing: &Pushing) {
    let failure = match outcome {
        Ok(_) => None,
        Err(error) => match error.downcast_ref() {
            Some(Ended(failure)) => Some(failure.kind),
            None => return,
        },
    };
    metrics().attempt(failure);
    if let Some(pod) = pod {
        phases::record(pod, pushing);
    }
}

/// Waits until the executor has ended, and gives its Pod; none where that is gone.
async fn wait(
    cluster: &Cluster,
    input: &AwaitInput,
    observer: &Observer,
    began: Option<Timestamp>,
) -> anyhow::Result<Option<Arc<SeenPod>>> {
    let mut changes = cluster.changes();
    let mut explained = Explained::default();
    let mut nodes = Nodes::of(input.platform.as_deref());
    cluster.ready().await?;
    loop {
        let now = Timestamp::now();
        let seen = cluster.watched(&input.launched);
        // Boxed, as in all of these: a build waits much longer for a change, and thousands wait.
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
        let standing = timeouts::counted(standing, began);
        if let Some(failure) = timeouts::ran_out(&standing, &input.timeouts, now) {
            // The watch may be behind: the API's word counts before a build is given up.
            return match Box::pin(cluster.ask(&input.launched)).await? {
                Found::Pod(pod) if phase::is_over(&pod, now) => Ok(Some(pod)),
                Found::Pod(pod) if phase::standing(&pod).state != standing.state => {
                    changes.next_of(cluster, &input.launched, seen.as_deref()).await;
                    continue;
                }
                Found::Gone => Ok(None),
                _ => Err(failed(input, failure)),
            };
        }
        changes.next_of(cluster, &input.launched, seen.as_deref()).await;
    }
}

/// Reports where a Pod stands: at once where no node can ever take it, as the cluster is.
async fn placed(
    cluster: &Cluster,
    nodes: &mut Nodes,
    standing: Standing,
    observer: &Observer,
) -> Standing {
    let (reason, lacks) = match standing.state {
        State::Scheduling => nodes.explain(cluster, &standing.reason).await,
        _ => (standing.reason, false),
    };
    match lacks {
        true => observer.see_at_once(standing.state, &reason).await,
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
        let repository = names::repository_of(&input.launched.pushes);
        let reference = names::reference(&repository, digest);
        let (image, ()) = tokio::join!(registry.inspect(&reference, &input.registry), rest);
        return match image? {
            Some(built) => Ok(Built { pod_seconds: phase::seconds(pod), ..built }),
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
    learn_secrets(cluster, pod).await?;
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
/// registry is asked for the tag that the attempt pushes.
async fn lost(
    registry: &RegistryClient,
    input: &AwaitInput,
    failure: Failure,
) -> anyhow::Result<Built> {
    use FailureType::{Evicted, NodeLost, PodDeleted};
    if !matches!(failure.kind, Evicted | NodeLost | PodDeleted) {
        return Err(failed(input, failure));
    }
    match look(registry, input, &input.launched.pushes).await? {
        Some(built) => {
            tracing::info!("the Pod was lost after it had pushed: {failure}");
            Ok(built)
        }
        None => Err(failed(input, failure)),
    }
}

/// An image that a Pod may have pushed.
async fn look(
    registry: &RegistryClient,
    input: &AwaitInput,
    image: &str,
) -> anyhow::Result<Option<Built>> {
    match registry.inspect(image, &input.registry).await {
        // Some registries answer this for a repository that is not there yet.
        Err(error) if is(&error, FailureType::RegistryDenied) => Ok(None),
        image => image,
    }
}

/// A failure of this attempt. The Pod has ended or is given up, so running the step again cannot
/// mend it, whatever its type.
fn failed(input: &AwaitInput, failure: Failure) -> anyhow::Error {
    let mut failure = failure.of(&input.id.component, &input.id.container);
    failure.attempt = Some(input.id.attempt);
    failure.pod.get_or_insert_with(|| input.launched.name.clone());
    Ended(failure).into()
}
