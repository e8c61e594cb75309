//! Keeps a log while its build runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::AsyncBufReadExt;
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::steps::Launched;
use kube::ResourceExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Logs, cut::Cutter, live, parts::Writer};
use crate::{
    cluster::{Cluster, SILENCE},
    pod::{phase, phases::Pushing, seen::SeenPod},
    secrets::redact,
};

/// Silence after which the stream of an ended executor counts as complete. Another call then reads
/// what the stream missed, except for a rotated log file, which only the stream has.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// The same for a log that is long enough for its node to have rotated it.
const LAST_WORDS_OF_LONG: Duration = Duration::from_secs(1);
const LONG: u64 = 1024 * 1024;

/// Pause before a stream is opened again if it ends while its executor seems to run.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the log of an ended executor may make no progress.
const STILL: Duration = Duration::from_secs(5);

/// How many such periods a log may take.
const TURNS: usize = 12;

/// Progress of a log that is being kept.
#[derive(Default)]
pub struct LogProgress {
    /// When the push started, by the log.
    pub pushing: Pushing,
    /// The number of bytes read.
    bytes: AtomicU64,
}

impl LogProgress {
    fn read(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn last_words(&self) -> Duration {
        if self.bytes() > LONG { LAST_WORDS_OF_LONG } else { LAST_WORDS }
    }

    /// Waits until the rest of a log is kept, as long as that makes progress: only the stream has the
    /// files that the node has rotated. Returns false if not all of the log is kept.
    pub async fn rest(&self, keeping: impl Future<Output = ()> + Unpin) -> bool {
        self.rest_within(keeping, STILL).await
    }

    async fn rest_within(
        &self,
        mut keeping: impl Future<Output = ()> + Unpin,
        still: Duration,
    ) -> bool {
        for _ in 0..TURNS {
            let before = self.bytes();
            if timeout(still, &mut keeping).await.is_ok() {
                return true;
            }
            if self.bytes() == before {
                return false;
            }
        }
        false
    }
}

/// Keeps the log of a created Pod or Job until its end. Errors are written to the worker's log, and
/// the work is retried without end.
pub async fn follow(
    logs: Logs<'_>,
    cluster: &Cluster,
    launched: &Launched,
    prefix: &str,
    progress: &LogProgress,
) {
    let Some(pod) = begun(cluster, launched).await else { return };
    let mut pause = Pause::default();
    let mut writer = loop {
        // Boxed, because opening needs much more memory than following, and thousands of logs are followed.
        match Box::pin(logs.writer(cluster, &pod, prefix)).await {
            Ok(writer) => break writer,
            Err(error) => pause.after(&error).await,
        }
    };
    let (pod, mut pause) = (pod.name_any(), Pause::default());
    loop {
        match copy(cluster, launched, &pod, &mut writer, progress).await {
            Ok(true) => return,
            Ok(false) => pause = Pause::default(),
            Err(error) => {
                flush(&mut writer).await;
                pause.after(&error).await;
            }
        }
    }
}

/// A pause that doubles with each failure.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

impl Pause {
    async fn after(&mut self, error: &anyhow::Error) {
        tracing::warn!("a log is not kept now, next try in {:?}: {error:#}", self.0);
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(30));
    }
}

/// Waits until the executor has started, and returns its Pod. None if it will never have a log.
async fn begun(cluster: &Cluster, launched: &Launched) -> Option<Arc<SeenPod>> {
    let mut changes = cluster.changes();
    let mut was_there = false;
    loop {
        match cluster.watched(launched) {
            Some(pod) if phase::has_begun(&pod) => return Some(pod),
            Some(pod) if !phase::is_unfinished(&pod) => return None,
            Some(_) => was_there = true,
            None if was_there => return None,
            None => {}
        }
        changes.next().await;
    }
}

/// Whether the executor writes nothing more.
fn is_over(cluster: &Cluster, launched: &Launched) -> bool {
    cluster.watched(launched).is_none_or(|pod| !phase::is_unfinished(&pod))
}

/// Copies a log until its stream ends. Returns true if that is the end of the log.
async fn copy(
    cluster: &Cluster,
    launched: &Launched,
    pod: &str,
    writer: &mut Writer<'_>,
    progress: &LogProgress,
) -> anyhow::Result<bool> {
    let mut over = is_over(cluster, launched);
    let follows = !over;
    let connection = match follows {
        true => Some(Box::pin(cluster.streams.connection()).await?),
        false => None,
    };
    let pods = match &connection {
        Some(connection) => connection.pods(&cluster.site.settings.namespace),
        None => cluster.pods(),
    };
    let opened = live::open_within(SILENCE, &pods, pod, writer.last(), follows);
    let mut stream = match Box::pin(opened).await {
        // The log is gone.
        Err(kube::Error::Api(status)) if over && matches!(status.code, 400 | 404) => {
            flush(writer).await;
            return Ok(true);
        }
        opened => opened?,
    };
    let (mut cutter, mut changes) = (Cutter::default(), cluster.changes());
    let at_end = loop {
        let due = writer.due();
        tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                flush(writer).await;
            }
            read = stream.fill_buf() => match read {
                Ok([]) => break true,
                Ok(chunk) => {
                    let mut add = |at, line: &[u8]| {
                        progress.pushing.look(at, line);
                        writer.add(at, line);
                    };
                    cutter.push(chunk, &redact::known(), &mut add);
                    let count = chunk.len();
                    stream.consume_unpin(count);
                    progress.read(count);
                }
                // This happens to an HTTP/1 connection when its build is silent for a minute.
                Err(error) => {
                    tracing::debug!(pod, %error, "the log is read anew");
                    break false;
                }
            },
            () = changes.next(), if !over => over = is_over(cluster, launched),
            () = sleep(progress.last_words()), if over && follows => break false,
        }
    };
    let ends = over && !follows && at_end;
    if ends {
        cutter.end(&redact::known(), &mut |at: Timestamp, line: &[u8]| writer.add(at, line));
    }
    // If the stream broke, its node may be gone, and this may be the last of the log.
    if ends || !over {
        flush(writer).await;
    }
    if !over {
        // The stream may end before the watch shows the executor's end. Every Pod's change wakes this
        // loop, and opening a stream each time would overload the node.
        let ended = async {
            while !is_over(cluster, launched) {
                changes.next().await;
            }
        };
        let _ = timeout(AGAIN, ended).await;
    }
    Ok(ends)
}

/// Writes what was read to the store, and retries until that works. Nothing is read meanwhile.
async fn flush(writer: &mut Writer<'_>) {
    let mut pause = Pause::default();
    while let Err(error) = writer.flush().await {
        pause.after(&error).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads this many times, each time after a pause.
    async fn reading(progress: &LogProgress, times: usize, pause: Duration) {
        for _ in 0..times {
            sleep(pause).await;
            progress.read(1);
        }
    }

    #[tokio::test]
    async fn a_log_is_waited_for_as_long_as_it_goes_on() {
        let still = Duration::from_millis(200);
        for (times, pause, is_kept) in
            [(0, 0, true), (60, 10, true), (1, 9000, false), (900, 10, false)]
        {
            let progress = LogProgress::default();
            let keeping = Box::pin(reading(&progress, times, Duration::from_millis(pause)));
            assert_eq!(
                progress.rest_within(keeping, still).await,
                is_kept,
                "{times} times {pause} ms"
            );
        }
    }

    #[test]
    fn a_long_log_has_longer_for_its_last_words() {
        let progress = LogProgress::default();
        progress.read(LONG as usize);
        assert_eq!(progress.last_words(), LAST_WORDS);
        progress.read(1);
        assert_eq!(progress.last_words(), LAST_WORDS_OF_LONG);
    }
}
