//! `await_build`: waits for the end of the executor, and returns what came of it: an image that the
//! registry has, or a classified failure.
//!
//! It keeps no state. Every timeout is counted from the times in the Pod's own status, so another
//! worker that takes the step over goes on where this one was. When it fails the Pod is still there:
//! the workflow's clean-up deletes it.

mod timeouts;
mod wait;

use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    build_id::BuildId,
    failure::{Failure, FailureType},
    names,
    steps::{AwaitInput, Awaited, Built},
};
use kube::ResourceExt;

use self::wait::wait;
use crate::{
    cluster::Cluster,
    error::{Ended, is},
    log::{
        self, Log, Logs,
        follow::{LogProgress, follow},
        live::learn_secrets,
        verdict,
    },
    metrics::metrics,
    pod::{
        phase,
        phases::{self, Pushing},
        seen::SeenPod,
    },
    registry::RegistryClient,
    secrets::redact,
    temporal::{Observer, StepStatus, time, unwanted},
};

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
}

/// Waits for the end of a build.
///
/// `status` asks Temporal whether the step is still wanted: a Pod that is gone may have been deleted by
/// the clean-up of this build.
pub async fn await_build(
    with: Await<'_>,
    input: &AwaitInput,
    status: impl AsyncFn() -> StepStatus,
) -> anyhow::Result<Awaited> {
    match input.launched.is_others {
        true => with.another(input).await,
        false => with.own(input, status).await.map(Awaited::Built),
    }
}

impl Await<'_> {
    /// Waits for another build's Pod, by this build's timeouts.
    async fn another(&self, input: &AwaitInput) -> anyhow::Result<Awaited> {
        let began = Timestamp::try_from(time(&input.since)).ok();
        let pod = match wait(self.cluster, input, self.observer, began).await {
            Ok(pod) => pod,
            // Its time with that Pod is over; with a Pod of its own it has all of its time.
            Err(error) if error.is::<Ended>() => return Ok(Awaited::NoImage),
            Err(error) => return Err(error),
        };
        let repository = names::repository_of(&input.launched.pushes);
        let (image, otherwise) = match pod.as_deref() {
            Some(pod) => match phase::digest(pod) {
                Some(digest) => (names::reference(&repository, digest), Awaited::NoImage),
                None if pod.metadata.deletion_timestamp.is_some() => return Ok(Awaited::Gone),
                None => return Ok(Awaited::NoImage),
            },
            // The other build may have deleted it after its success.
            None => (input.launched.pushes.clone(), Awaited::Gone),
        };
        Ok(match look(self.registry, input, &image).await? {
            Some(built) => Awaited::Built(Built { pod_seconds: 0.0, ..built }),
            None => otherwise,
        })
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
    metrics().attempts(1, failure);
    if let Some(pod) = pod {
        phases::record(pod, pushing);
    }
}

fn gone() -> Failure {
    Failure::new(FailureType::PodDeleted, "someone deleted the Pod")
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
    if let Some(digest) = phase::digest(pod) {
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
