//! Keeps the rest of logs before their Pods are deleted.

use std::{collections::BTreeSet, time::Duration};

use futures::{AsyncReadExt, future::join_all};
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::names;
use kube::ResourceExt;
use tokio::time::timeout;

use super::{
    Logs,
    cut::Cutter,
    live::{self, CHUNK},
    parts::Writer,
};
use crate::{
    cluster::{Cluster, unavailable},
    pod::{equal::JOB_UID, phase, seen::SeenPod},
    secrets::redact,
};

/// How long keeping the log of a running executor may delay the executor's deletion.
const WHILE_RUNNING: Duration = Duration::from_secs(5);

/// How much of that is for reading.
const READING: Duration = Duration::from_secs(3);

/// Silence after which a node counts as gone.
const SILENCE: Duration = Duration::from_secs(5);

/// How many logs are kept at the same time.
const AT_ONCE: usize = 8;

/// How long after an executor's end its log is worth waiting for if its node does not answer.
const LATELY: Duration = Duration::from_secs(600);

/// Pods that must stay because their logs could not be kept.
#[derive(Default)]
pub struct Unkept {
    uids: BTreeSet<String>,
    why: Option<anyhow::Error>,
}

impl Unkept {
    /// Whether a Pod must stay, or the Job whose deletion would delete the Pod.
    pub fn holds(&self, uid: Option<&String>) -> bool {
        uid.is_some_and(|uid| self.uids.contains(uid))
    }

    /// Adds the Pods of another list.
    pub fn extend(&mut self, other: Self) {
        self.uids.extend(other.uids);
        self.why = self.why.take().or(other.why);
    }

    /// An error if any Pod must stay.
    pub fn outcome(self) -> anyhow::Result<()> {
        self.why.map_or(Ok(()), Err)
    }
}

/// Keeps the rest of the logs of Pods that are about to be deleted. A Pod that has ended must stay
/// if its log cannot be kept. A Pod that still runs may be deleted anyway.
pub async fn keep(logs: Logs<'_>, cluster: &Cluster, pods: &[SeenPod]) -> Unkept {
    let mut unkept = Unkept::default();
    for pods in pods.chunks(AT_ONCE) {
        let keeping = pods.iter().map(async |pod| (pod, keep_one(logs, cluster, pod).await));
        for (pod, outcome) in join_all(keeping).await {
            if let Err(error) = outcome {
                unkept.uids.extend(pod.uid());
                unkept.uids.extend(pod.labels().get(JOB_UID).cloned());
                unkept.why.get_or_insert(error);
            }
        }
    }
    unkept
}

/// The prefix of the log of a Pod's attempt, by the Pod's labels.
fn prefix(pod: &SeenPod) -> Option<String> {
    let label = |name| pod.labels().get(&names::label(name));
    let attempt = label("attempt")?.parse().ok()?;
    let platform = label("platform").map_or("", String::as_str);
    Some(names::log_prefix(label("run")?, platform, attempt))
}

async fn keep_one(logs: Logs<'_>, cluster: &Cluster, pod: &SeenPod) -> anyhow::Result<()> {
    let Some(prefix) = prefix(pod).filter(|_| phase::has_begun(pod)) else { return Ok(()) };
    if !phase::is_unfinished(pod) {
        let mut writer = logs.writer(cluster, pod, &prefix).await?;
        rest(cluster, pod, &mut writer).await?;
        return writer.flush().await;
    }
    let name = pod.name_any();
    // Whoever ends a build waits for its Pod to go, and must not wait for a slow store.
    match timeout(WHILE_RUNNING, so_far(logs, cluster, pod, &prefix)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(name, "the end of the log is not kept: {error:#}"),
        Err(_) => tracing::warn!(name, "the end of the log is not kept: the store is slow"),
    }
    Ok(())
}

/// Keeps what a running executor has logged so far, and marks the log as cut.
async fn so_far(
    logs: Logs<'_>,
    cluster: &Cluster,
    pod: &SeenPod,
    prefix: &str,
) -> anyhow::Result<()> {
    let mut writer = logs.writer(cluster, pod, prefix).await?;
    if let Ok(read) = timeout(READING, rest(cluster, pod, &mut writer)).await {
        read?;
    }
    writer.mark_cut();
    writer.flush().await
}

/// Reads from the cluster what the store does not have. It is no error if the log is gone, nor, some
/// time after the executor's end, if its node does not answer.
async fn rest(cluster: &Cluster, pod: &SeenPod, writer: &mut Writer<'_>) -> anyhow::Result<()> {
    let name = pod.name_any();
    for pause in [1, 2, 0].map(Duration::from_secs) {
        let error = match read(cluster, &name, writer).await? {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let is_gone = matches!(&error, kube::Error::Api(status) if status.code < 500);
        if !is_gone && !pause.is_zero() {
            tokio::time::sleep(pause).await;
            continue;
        }
        if !is_gone && ended_lately(pod) {
            return Err(unavailable("read the log of the Pod", &error));
        }
        tracing::warn!(name, %error, "the log is kept as far as it is");
        break;
    }
    Ok(())
}

/// Whether the executor ended a short time ago.
fn ended_lately(pod: &SeenPod) -> bool {
    let end = phase::terminated(pod).and_then(|end| end.finished_at.as_ref());
    let since = end.map(|end| Timestamp::now().duration_since(end.0));
    since.is_some_and(|since| Duration::try_from(since).unwrap_or_default() < LATELY)
}

/// Reads a log to its end. The outer error is the store's, the inner error is the cluster's.
async fn read(
    cluster: &Cluster,
    pod: &str,
    writer: &mut Writer<'_>,
) -> anyhow::Result<kube::Result<()>> {
    let opened = live::open_within(SILENCE, &cluster.pods(), pod, writer.last(), false).await;
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error)),
    };
    let (mut cutter, mut chunk) = (Cutter::default(), vec![0; CHUNK]);
    loop {
        match timeout(SILENCE, stream.read(&mut chunk)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(count)) => {
                let mut add = |at, line: &[u8]| writer.add(at, line);
                cutter.push(&chunk[..count], &redact::known(), &mut add);
            }
            // The last line may be incomplete, so it is read again, or left out.
            Ok(Err(error)) => return Ok(Err(kube::Error::Service(error.into()))),
            Err(elapsed) => return Ok(Err(kube::Error::Service(elapsed.into()))),
        }
        if writer.is_full() {
            writer.flush().await?;
        }
    }
    cutter.end(&redact::known(), &mut |at: Timestamp, line: &[u8]| writer.add(at, line));
    Ok(Ok(()))
}
