//! Pure predicates over a Pod: where it stands, and since when.

use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{ContainerStateTerminated, ContainerStatus, PodCondition},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use kilnworks_workflows::{checks::is_digest, progress::State};

use super::{executor, presigned, seen::SeenPod};

/// Where an unfinished Pod stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Scheduling, pulling or building.
    pub state: State,
    /// Since when, by the cluster's own clock and record.
    pub since: Option<Timestamp>,
    /// Why it goes no further, in the cluster's words; empty where it does not say.
    pub reason: String,
}

/// The executor's status.
pub fn executor(pod: &SeenPod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == executor::NAME)
}

/// The executor's end. A build is over when its container is; the Pod's phase follows a second
/// later.
pub fn terminated(pod: &SeenPod) -> Option<&ContainerStateTerminated> {
    executor(pod)?.state.as_ref()?.terminated.as_ref()
}

/// The digest of the image that an executor has pushed. It counts at exit code 0 only, because Kaniko
/// writes it before the push.
pub fn digest(pod: &SeenPod) -> Option<&str> {
    let end = terminated(pod).filter(|end| end.exit_code == 0)?;
    let message = end.message.as_deref()?.trim();
    is_digest(message).then_some(message)
}

/// The end of what fetches the context, where something does.
pub fn fetched(pod: &SeenPod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    let fetch = statuses.iter().find(|status| status.name == presigned::NAME)?;
    fetch.state.as_ref()?.terminated.as_ref()
}

/// Whether the executor was started, so that there is a log.
pub fn has_begun(pod: &SeenPod) -> bool {
    let state = executor(pod).and_then(|status| status.state.as_ref());
    state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

/// The Pod's phase.
pub fn phase(pod: &SeenPod) -> &str {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase.unwrap_or("Pending")
}

/// Whether the Pod may still use the cluster.
pub fn is_unfinished(pod: &SeenPod) -> bool {
    terminated(pod).is_none() && !matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether nothing more is to be waited for: the Pod is finished, or the time that it was given to
/// end has passed by `now`. On a lost node a deleted Pod stays for ever.
pub fn is_over(pod: &SeenPod, now: Timestamp) -> bool {
    !is_unfinished(pod) || is_overdue(&pod.metadata, now)
}

/// Whether a deleted object is still there after the time that it was given to end.
pub fn is_overdue(meta: &ObjectMeta, now: Timestamp) -> bool {
    const SLACK_SECONDS: i64 = 5;
    let deadline = meta.deletion_timestamp.as_ref();
    deadline.is_some_and(|at| at.0.as_second() + SLACK_SECONDS <= now.as_second())
}

/// A condition of the Pod.
pub fn condition<'a>(pod: &'a SeenPod, name: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == name)
}

/// Whether a Job gave up: its Pod was deleted or never could be made.
pub fn is_job_failed(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| one.type_ == "Failed" && one.status == "True")
}

/// Where an unfinished Pod stands.
pub fn standing(pod: &SeenPod) -> Standing {
    let time = |time: Option<&Time>| time.map(|time| time.0);
    let state = executor(pod).and_then(|status| status.state.as_ref());
    if let Some(running) = state.and_then(|state| state.running.as_ref()) {
        return Standing {
            state: State::Building,
            since: time(running.started_at.as_ref()),
            reason: String::new(),
        };
    }
    let scheduled = condition(pod, "PodScheduled");
    match scheduled {
        Some(scheduled) if scheduled.status == "True" => Standing {
            state: State::Pulling,
            since: time(scheduled.last_transition_time.as_ref()),
            reason: waiting(pod),
        },
        _ => Standing {
            state: State::Scheduling,
            since: time(pod.metadata.creation_timestamp.as_ref()),
            reason: scheduled.and_then(|condition| condition.message.clone()).unwrap_or_default(),
        },
    }
}

/// Why the executor does not start, or what goes before it does not; empty while that is only a
/// matter of course.
fn waiting(pod: &SeenPod) -> String {
    let before = pod.status.iter().flat_map(|status| &status.init_container_statuses).flatten();
    let mut waiting = before.chain(executor(pod)).filter_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        match (waiting.reason.as_deref(), waiting.message.as_deref()) {
            (Some("ContainerCreating" | "PodInitializing") | None, None) => None,
            (reason, message) => {
                let parts = [reason, message].into_iter().flatten();
                Some(parts.collect::<Vec<_>>().join(": "))
            }
        }
    });
    waiting.next().unwrap_or_default()
}

/// Seconds from the Pod's creation to the executor's end.
pub fn seconds(pod: &SeenPod) -> f64 {
    let start = pod.metadata.creation_timestamp.as_ref();
    let end = terminated(pod).and_then(|end| end.finished_at.as_ref());
    match (start, end) {
        (Some(start), Some(end)) => {
            (end.0.as_millisecond() - start.0.as_millisecond()) as f64 / 1000.0
        }
        _ => 0.0,
    }
}
