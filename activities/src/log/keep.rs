//! Keeps logs: beside a build while it runs, and before its Pod is deleted.

use std::{collections::BTreeSet, time::Duration};

use futures::{AsyncReadExt, future::join_all};
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::names;
use kube::{Resource, ResourceExt};
use tokio::time::timeout;

use super::{
    Logs,
    cut::Cutter,
    live::{self, CHUNK},
    parts::Writer,
};
use crate::{
    cluster::{Cluster, JOB_UID, unavailable},
    phase, redact,
    seen::SeenPod,
    share::members,
};

/// How long the log of an executor that still runs may hold up its deletion.
const WHILE_RUNNING: Duration = Duration::from_secs(5);

/// How much of that is for reading.
const READING: Duration = Duration::from_secs(3);

/// Silence after which a node that was asked for a log counts as gone.
const SILENCE: Duration = Duration::from_secs(5);

/// How many logs are kept at once.
const AT_ONCE: usize = 8;

/// How long after its end a log may still be had of a node that does not answer now.
const LATELY: Duration = Duration::from_secs(600);

/// Pods whose log could not be kept, and must stay.
#[derive(Default)]
pub struct Unkept {
    uids: BTreeSet<String>,
    why: Option<anyhow::Error>,
}

impl Unkept {
    /// Whether a Pod must stay, or a Job whose deletion would delete it.
    pub fn holds(&self, uid: Option<&String>) -> bool {
        uid.is_some_and(|uid| self.uids.contains(uid))
    }

    /// Adds those of another one.
    pub fn extend(&mut self, other: Self) {
        self.uids.extend(other.uids);
        self.why = self.why.take().or(other.why);
    }

    /// An error where anything must stay.
    pub fn outcome(self) -> anyhow::Result<()> {
        self.why.map_or(Ok(()), Err)
    }
}

/// Keeps the rest of the logs of Pods that are about to be deleted, for this run or for all that
/// they are of. One that has ended must stay where that fails; one that still runs is ended all the
/// same. `kept` is the Pod or Job of which all is kept already.
pub async fn keep(
    logs: Logs<'_>,
    cluster: &Cluster,
    pods: &[SeenPod],
    run_id: Option<&str>,
    kept: Option<&str>,
) -> Unkept {
    let is_kept = |pod: &SeenPod| {
        let job = pod.labels().get(JOB_UID);
        kept.is_some() && (pod.metadata.uid.as_deref() == kept || job.map(String::as_str) == kept)
    };
    let mut unkept = Unkept::default();
    for pods in pods.chunks(AT_ONCE) {
        let mut keeping = Vec::new();
        for pod in pods.iter().filter(|pod| !is_kept(pod)) {
            keeping.push(async move { (pod, keep_one(logs, cluster, pod, run_id).await) });
        }
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

/// Where the logs of a Pod's attempt lie: one for each run that it is of, or that of one of them.
fn prefixes(pod: &SeenPod, run_id: Option<&str>) -> Vec<String> {
    let label = |name| pod.labels().get(&names::label(name));
    let attempt = label("attempt").and_then(|attempt| attempt.parse().ok());
    let sharing = members::of(pod.meta()).into_values().flatten().map(|member| member.run_id);
    let mut runs: Vec<String> = match run_id {
        Some(run_id) => vec![run_id.to_owned()],
        None => sharing.collect(),
    };
    if runs.is_empty() {
        runs.extend(label("run").cloned());
    }
    let platform = label("platform").map_or("", String::as_str);
    let of = |run: &String, attempt| names::log_prefix(run, platform, attempt);
    let prefixes = attempt.map(|attempt| runs.iter().map(move |run| of(run, attempt)));
    prefixes.into_iter().flatten().collect()
}

async fn keep_one(
    logs: Logs<'_>,
    cluster: &Cluster,
    pod: &SeenPod,
    run_id: Option<&str>,
) -> anyhow::Result<()> {
    if phase::has_begun(pod) {
        for prefix in prefixes(pod, run_id) {
            keep_at(logs, cluster, pod, prefix).await?;
        }
    }
    Ok(())
}

async fn keep_at(
    logs: Logs<'_>,
    cluster: &Cluster,
    pod: &SeenPod,
    prefix: String,
) -> anyhow::Result<()> {
    if !phase::is_unfinished(pod) {
        redact::learn_of(cluster, pod).await?;
        let mut writer = Writer::begin(logs.store, &prefix, logs.max_bytes).await?;
        rest(cluster, pod, &mut writer).await?;
        return writer.flush().await;
    }
    let name = pod.name_any();
    // Who ends a build waits for its Pod to go, not for a store that is away.
    match timeout(WHILE_RUNNING, so_far(logs, cluster, pod, &prefix)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(name, "the end of the log is not kept: {error:#}"),
        Err(_) => tracing::warn!(name, "the end of the log is not kept: the store is slow"),
    }
    Ok(())
}

/// Keeps the log of an executor that is to be ended, as far as it is, and marks that.
async fn so_far(
    logs: Logs<'_>,
    cluster: &Cluster,
    pod: &SeenPod,
    prefix: &str,
) -> anyhow::Result<()> {
    redact::learn_of(cluster, pod).await?;
    let mut writer = Writer::begin(logs.store, prefix, logs.max_bytes).await?;
    if let Ok(read) = timeout(READING, rest(cluster, pod, &mut writer)).await {
        read?;
    }
    writer.mark_cut();
    writer.flush().await
}

/// Reads what the cluster has after what the store has. That nobody has the log is fine; so is, a
/// while after its end, that nobody answers.
async fn rest(cluster: &Cluster, pod: &SeenPod, writer: &mut Writer<'_>) -> anyhow::Result<()> {
    let name = pod.name_any();
    for pause in [1, 2, 0].map(Duration::from_secs) {
        let error = match read(cluster, &name, writer).await? {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let is_gone = matches!(&error, kube::Error::Api(status) if status.code < 500);
        let is_last = pause.is_zero();
        match is_gone || is_last {
            true if !is_gone && ended_lately(pod) => {
                return Err(unavailable("read the log of the Pod", &error));
            }
            true => {
                tracing::warn!(name, %error, "the log is kept as far as it is");
                return Ok(());
            }
            false => tokio::time::sleep(pause).await,
        }
    }
    Ok(())
}

/// Whether the executor's end was not long ago.
fn ended_lately(pod: &SeenPod) -> bool {
    let end = phase::terminated(pod).and_then(|end| end.finished_at.as_ref());
    let since = end.map(|end| Timestamp::now().duration_since(end.0));
    since.is_some_and(|since| Duration::try_from(since).unwrap_or_default() < LATELY)
}

/// Reads a log to its end. The outer error is the store's, the inner one the cluster's.
async fn read(
    cluster: &Cluster,
    pod: &str,
    writer: &mut Writer<'_>,
) -> anyhow::Result<kube::Result<()>> {
    let mut stream = match open(&cluster.pods(), pod, writer.last()).await {
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
            // Its last line may be half a line: it is read again, or left.
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

async fn open(
    pods: &kube::Api<SeenPod>,
    pod: &str,
    since: Option<Timestamp>,
) -> kube::Result<impl futures::AsyncBufRead + Unpin + Send + use<>> {
    match timeout(SILENCE, live::open(pods, pod, since, false)).await {
        Ok(opened) => opened,
        Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
    }
}
