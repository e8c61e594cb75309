//! Reads a log from the cluster: the node's current log file, which the node rotates at 10 MiB.

use futures::{AsyncBufRead, AsyncReadExt};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, api::LogParams};

use super::cut::Cutter;
use crate::{
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
