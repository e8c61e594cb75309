//! Reads a log from the cluster: the node's current log file, which the node rotates at 10 MiB.

use std::time::Duration;

use futures::{AsyncBufRead, AsyncReadExt, future::join_all};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{Api, api::LogParams};
use tokio::time::timeout;

use super::cut::Cutter;
use crate::{
    cluster::{Cluster, unavailable},
    pod::{executor, seen::SeenPod},
    secrets::redact,
};

/// Bytes read at a time. Each log that is followed has such a buffer.
pub const CHUNK: usize = 8 * 1024;

/// Opens the log of a Pod's executor, from the second of `since` on.
pub async fn open(
    pods: &Api<SeenPod>,
    pod: &str,
    since: Option<Timestamp>,
    follow: bool,
) -> kube::Result<impl AsyncBufRead + Unpin + Send + use<>> {
    let second = |since: Timestamp| Timestamp::from_second(since.as_second()).ok();
    let params = LogParams {
        container: Some(executor::NAME.to_owned()),
        follow,
        timestamps: true,
        since_time: since.and_then(second),
        ..LogParams::default()
    };
    pods.log_stream(pod, &params).await.map(Box::pin)
}

/// Same as [`open`], but fails if the API server does not answer in time. The connection stays open.
pub async fn open_within(
    limit: Duration,
    pods: &Api<SeenPod>,
    pod: &str,
    since: Option<Timestamp>,
    follow: bool,
) -> kube::Result<impl AsyncBufRead + Unpin + Send + use<>> {
    let opened = timeout(limit, open(pods, pod, since, follow)).await;
    opened.unwrap_or_else(|elapsed| Err(kube::Error::Service(elapsed.into())))
}

/// Reads a log to its present end, or with `follow` to its executor's end, and passes its lines on.
pub async fn read(
    pods: &Api<SeenPod>,
    pod: &str,
    since: Option<Timestamp>,
    follow: bool,
    out: &mut (dyn FnMut(Timestamp, &[u8]) + Send),
) -> anyhow::Result<()> {
    let mut stream = open(pods, pod, since, follow).await?;
    let (mut cutter, mut chunk) = (Cutter::default(), vec![0; CHUNK]);
    loop {
        match stream.read(&mut chunk).await? {
            0 => break,
            count => cutter.push(&chunk[..count], &redact::known(), out),
        }
    }
    cutter.end(&redact::known(), out);
    Ok(())
}

/// Learns every Secret that a Pod can read, because a `RUN` may print what it reads. Call this
/// before reading the first line of the Pod's log.
///
/// # Errors
/// `ClusterUnavailable` if the API does not answer. A Secret that the worker may not read is no
/// error; its values stay in the log.
pub async fn learn_secrets(cluster: &Cluster, pod: &SeenPod) -> anyhow::Result<()> {
    let api = Api::<Secret>::namespaced(cluster.client.clone(), &cluster.site.settings.namespace);
    for secret in join_all(pod.secrets.iter().map(|name| api.get_opt(name))).await {
        match secret {
            Ok(secret) => secret.iter().for_each(redact::learn),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                tracing::warn!("cannot redact a Secret of a Pod: {}", status.message);
            }
            Err(error) => return Err(unavailable("read a Secret of the Pod", &error)),
        }
    }
    Ok(())
}
