//! Classifies a build that has ended without an image.
//!
//! The order: what the cluster did to the Pod, then its memory, then Kaniko's last line. A `RUN` may
//! print anything, so only the last line that starts like Kaniko's last line counts.

mod words;

use kilnworks_workflows::failure::{Failure, FailureType, tail};
use kube::ResourceExt;

use crate::{
    log::Log,
    pod::{phase, seen::SeenPod},
};

/// Bytes of the log in a failure. An app's failure carries those of all its containers.
const LOG_TAIL: usize = 4 * 1024;

/// The failure of a build that has ended without an image.
pub fn verdict(pod: &SeenPod, log: &Log, dockerfile: &str) -> Failure {
    let end = phase::terminated(pod);
    let failure = by_cluster(pod)
        .or_else(|| by_container(pod))
        .unwrap_or_else(|| words::judge(log, dockerfile, end.map_or(0, |end| end.exit_code)));
    Failure {
        pod: Some(pod.name_any()),
        node: pod.node.clone(),
        exit_code: end.map(|end| end.exit_code),
        log_tail: tail(&log.tail, LOG_TAIL),
        ..failure
    }
}

/// What the cluster did to the Pod.
fn by_cluster(pod: &SeenPod) -> Option<Failure> {
    use FailureType::{DeadlineExceeded, Evicted, NodeLost, PodDeleted};
    let disruption = phase::condition(pod, "DisruptionTarget").filter(|one| one.status == "True");
    if let Some(disruption) = disruption {
        let kind = match disruption.reason.as_deref() {
            // The node is gone, or its Pods have no node.
            Some("DeletionByTaintManager" | "DeletionByPodGC") => NodeLost,
            _ => Evicted,
        };
        let reason = disruption.reason.as_deref().unwrap_or_default();
        let message = disruption.message.as_deref().unwrap_or_default();
        return Some(Failure::new(kind, told("the cluster took the Pod", reason, message)));
    }
    let status = pod.status.as_ref()?;
    let reason = status.reason.as_deref().unwrap_or_default();
    let message = status.message.as_deref().unwrap_or_default();
    let kind = match reason {
        "" => None,
        "NodeLost" => Some(NodeLost),
        "DeadlineExceeded" => Some(DeadlineExceeded),
        // Evicted, Preempting, NodeShutdown, OutOfcpu, UnexpectedAdmissionError and similar: this
        // node refused the Pod.
        _ => Some(Evicted),
    };
    // The status of a deleted Pod may be empty.
    match (kind, &pod.metadata.deletion_timestamp) {
        (Some(kind), _) => {
            Some(Failure::new(kind, told("the node ended the Pod", reason, message)))
        }
        (None, Some(_)) => Some(Failure::new(PodDeleted, "someone deleted the Pod")),
        (None, None) => None,
    }
}

/// What the node did to the executor's container.
fn by_container(pod: &SeenPod) -> Option<Failure> {
    use FailureType::{ImagePullFailed, NodeLost, OutOfMemory};
    let Some(end) = phase::terminated(pod) else {
        let message = "the Pod ended before its executor began";
        let failure = by_fetch(pod).unwrap_or_else(|| Failure::new(ImagePullFailed, message));
        return Some(failure);
    };
    let words = end.message.as_deref().unwrap_or_default();
    match end.reason.as_deref()? {
        "OOMKilled" => {
            let limit = pod.memory.as_ref().map(|it| format!(" of {it}")).unwrap_or_default();
            let message = format!("the build needs more memory than its limit{limit}");
            Some(Failure::new(OutOfMemory, message))
        }
        "ContainerStatusUnknown" => Some(Failure::new(NodeLost, "the node lost the container")),
        reason @ ("StartError" | "ContainerCannotRun" | "RunContainerError") => {
            Some(Failure::new(ImagePullFailed, told("the executor did not start", reason, words)))
        }
        _ => None,
    }
}

/// Why the container failed that fetches the context: the node's reason, or its last line.
fn by_fetch(pod: &SeenPod) -> Option<Failure> {
    use FailureType::{ImagePullFailed, OutOfMemory, StoreUnavailable};
    let end = phase::fetched(pod).filter(|end| end.exit_code != 0)?;
    let words = end.message.as_deref().unwrap_or_default();
    let last = words.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let code = format!("exit code {}", end.exit_code);
    let failed = |kind, what| {
        let words = last.unwrap_or(words.trim());
        Failure::new(kind, told(what, if words.is_empty() { &code } else { "" }, words))
    };
    Some(match end.reason.as_deref() {
        Some("OOMKilled") => failed(OutOfMemory, "fetching the context needs more memory"),
        Some("StartError" | "ContainerCannotRun" | "RunContainerError") => {
            failed(ImagePullFailed, "what fetches the context did not start")
        }
        _ => failed(StoreUnavailable, "the context could not be fetched"),
    })
}

fn told(what: &str, reason: &str, message: &str) -> String {
    let parts = [what, reason, message].into_iter();
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
