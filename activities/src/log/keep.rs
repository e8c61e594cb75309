//! Keeps logs: beside a build while it runs, and before its Pod is deleted.

use std::time::Duration;

use futures::{AsyncReadExt, future::try_join_all};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kilnworks_workflows::names;
use kube::ResourceExt;
use tokio::time::timeout;

use super::{
    Logs,
    cut::Cutter,
    live::{self, CHUNK},
    parts::Writer,
};
use crate::{cluster::Cluster, phase, redact};

/// How long the log of an executor that still runs may hold up its deletion.
const WHILE_RUNNING: Duration = Duration::from_secs(5);

/// How much of that is for reading.
const READING: Duration = Duration::from_secs(3);

/// Silence after which a node that was asked for a log counts as gone.
const SILENCE: Duration = Duration::from_secs(5);

/// Keeps the rest of the logs of Pods that are about to be deleted. Where the store fails, so does it
/// for a Pod that has ended, which must stay then; one that still runs is ended all the same. That a
/// log cannot be read is no reason for that.
pub async fn keep(logs: Logs<'_>, cluster: &Cluster, pods: &[Pod]) -> anyhow::Result<()> {
    let kept = pods.iter().map(|pod| keep_one(logs, cluster, pod));
    try_join_all(kept).await.map(drop)
}

/// Where the log of a Pod's attempt lies, by its labels.
fn prefix(pod: &Pod) -> Option<String> {
    let label = |name| pod.labels().get(&names::label(name));
    let attempt = label("attempt")?.parse().ok()?;
    Some(names::log_prefix(label("run")?, attempt))
}

async fn keep_one(logs: Logs<'_>, cluster: &Cluster, pod: &Pod) -> anyhow::Result<()> {
    let Some(prefix) = prefix(pod).filter(|_| phase::has_begun(pod)) else {
        return Ok(());
    };
    let name = pod.name_any();
    if !phase::is_unfinished(pod) {
        let mut writer = Writer::begin(logs.store, &prefix, logs.max_bytes).await?;
        rest(cluster, &name, &mut writer).await?;
        return writer.flush().await;
    }
    // Who ends a build waits for its Pod to go, not for a store that is away.
    match timeout(WHILE_RUNNING, so_far(logs, cluster, &name, &prefix)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(name, "the end of the log is not kept: {error:#}"),
        Err(_) => tracing::warn!(name, "the end of the log is not kept: the store is slow"),
    }
    Ok(())
}

/// Keeps the log of an executor that is to be ended, as far as it is, and marks that.
async fn so_far(logs: Logs<'_>, cluster: &Cluster, name: &str, prefix: &str) -> anyhow::Result<()> {
    let mut writer = Writer::begin(logs.store, prefix, logs.max_bytes).await?;
    if let Ok(read) = timeout(READING, rest(cluster, name, &mut writer)).await {
        read?;
    }
    writer.mark_cut();
    writer.flush().await
}

/// Reads what the cluster has after what the store has. Only the store's errors are errors.
async fn rest(cluster: &Cluster, pod: &str, writer: &mut Writer<'_>) -> anyhow::Result<()> {
    let pods = cluster.pods();
    let mut opened = open(&pods, pod, writer.last()).await;
    if matches!(&opened, Err(kube::Error::Api(status)) if status.code >= 500) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        opened = open(&pods, pod, writer.last()).await;
    }
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(pod, %error, "the log cannot be read and is kept as far as it is");
            return Ok(());
        }
    };
    let (mut cutter, mut chunk) = (Cutter::default(), vec![0; CHUNK]);
    loop {
        match timeout(SILENCE, stream.read(&mut chunk)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(count)) => {
                let mut add = |at, line: &[u8]| writer.add(at, line);
                cutter.push(&chunk[..count], &redact::known(), &mut add);
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(pod, "the log breaks off");
                break;
            }
        }
        if writer.is_full() {
            writer.flush().await?;
        }
    }
    cutter.end(&redact::known(), &mut |at: Timestamp, line: &[u8]| writer.add(at, line));
    Ok(())
}

async fn open(
    pods: &kube::Api<Pod>,
    pod: &str,
    since: Option<Timestamp>,
) -> kube::Result<impl futures::AsyncBufRead + Unpin + Send + use<>> {
    match timeout(SILENCE, live::open(pods, pod, since, false)).await {
        Ok(opened) => opened,
        Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
    }
}
