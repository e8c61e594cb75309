//! Keeps a log while its build runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::steps::Launched;
use kube::ResourceExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Logs, cut::Cutter, live, parts::Writer, streams::Place};
use crate::{
    cluster::{Cluster, SILENCE},
    launch::Past,
    phase,
    phases::Pushing,
    redact,
    seen::SeenPod,
};

/// Silence after which a stream has nothing more to say of an executor that has ended. What it
/// may have missed is read at once by another call; only a rotated file is in the stream alone.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// The same of a log so long that its node may have begun a new file, as none does for less.
const LAST_WORDS_OF_LONG: Duration = Duration::from_secs(1);
const LONG: u64 = 1024 * 1024;

/// Pause before a stream that ended is begun anew, where its executor does not seem to have ended.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the log of an executor that has ended may stand still.
const STILL: Duration = Duration::from_secs(5);

/// How many such times it may go on.
const TURNS: usize = 12;

/// What is seen of a log while it is kept.
#[derive(Default)]
pub struct Seen {
    /// What it tells of the push.
    pub pushing: Pushing,
    /// How many bytes were read.
    bytes: AtomicU64,
}

impl Seen {
    fn read(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn last_words(&self) -> Duration {
        if self.bytes() > LONG { LAST_WORDS_OF_LONG } else { LAST_WORDS }
    }

    /// Waits for the rest of a log that is kept, as long as it goes on: what lies in a file that
    /// its node has put aside is in its stream alone. False where not all of it is kept by then.
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

/// Keeps the log of a created Pod or Job, up to its end. It never fails: what goes wrong is logged
/// and tried again.
pub async fn follow(
    logs: Logs<'_>,
    cluster: &Cluster,
    launched: &Launched,
    prefix: &str,
    past: Past,
    seen: &Seen,
) {
    let Some(pod) = begun(cluster, launched).await else { return };
    let mut pause = Pause::default();
    let mut writer = loop {
        let begun = async {
            redact::learn_of(cluster, &pod).await?;
            match past {
                Past::None => Ok(Writer::anew(logs.store, prefix, logs.max_bytes)),
                Past::Some => Writer::begin(logs.store, prefix, logs.max_bytes).await,
            }
        };
        // Boxed, as a log is followed much longer than it is opened, and thousands are.
        match Box::pin(begun).await {
            Ok(writer) => break writer,
            Err(error) => pause.after(&error).await,
        }
    };
    let (pod, mut pause) = (pod.name_any(), Pause::default());
    loop {
        match copy(cluster, launched, &pod, &mut writer, seen).await {
            Ok(true) => return,
            Ok(false) => pause = Pause::default(),
            Err(error) => {
                flush(&mut writer).await;
                pause.after(&error).await;
            }
        }
    }
}

/// Grows with every failure.
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

/// Waits until there is a log, and gives its Pod; none where there will be no log.
async fn begun(cluster: &Cluster, launched: &Launched) -> Option<Arc<SeenPod>> {
    let mut bell = cluster.bell();
    let mut was_there = false;
    loop {
        match cluster.watched(launched) {
            Some(pod) if phase::has_begun(&pod) => return Some(pod),
            Some(pod) if !phase::is_unfinished(&pod) => return None,
            Some(_) => was_there = true,
            None if was_there => return None,
            None => {}
        }
        bell.rung().await;
    }
}

/// Whether nothing more is written to the log.
fn is_over(cluster: &Cluster, launched: &Launched) -> bool {
    cluster.watched(launched).is_none_or(|pod| !phase::is_unfinished(&pod))
}

/// Copies a log until its stream ends. True where that is the end of the log.
async fn copy(
    cluster: &Cluster,
    launched: &Launched,
    pod: &str,
    writer: &mut Writer<'_>,
    seen: &Seen,
) -> anyhow::Result<bool> {
    let mut over = is_over(cluster, launched);
    let follows = !over;
    let place = match follows {
        true => Some(Box::pin(cluster.streams.place()).await?),
        false => None,
    };
    let opened = Box::pin(open(cluster, place.as_ref(), pod, writer.last())).await;
    let mut stream = match opened {
        // Nobody has the log any more.
        Err(kube::Error::Api(status)) if over && matches!(status.code, 400 | 404) => {
            flush(writer).await;
            return Ok(true);
        }
        opened => opened?,
    };
    let (mut cutter, mut bell) = (Cutter::default(), cluster.bell());
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
                        seen.pushing.look(at, line);
                        writer.add(at, line);
                    };
                    cutter.push(chunk, &redact::known(), &mut add);
                    let count = chunk.len();
                    stream.consume_unpin(count);
                    seen.read(count);
                }
                // So ends what has a connection of its own when its build is silent for a minute.
                Err(error) => {
                    tracing::debug!(pod, %error, "the log is read anew");
                    break false;
                }
            },
            () = bell.rung(), if !over => over = is_over(cluster, launched),
            () = sleep(seen.last_words()), if over && follows => break false,
        }
    };
    let ends = over && !follows && at_end;
    if ends {
        cutter.end(&redact::known(), &mut |at: Timestamp, line: &[u8]| writer.add(at, line));
    }
    // A stream that broke off may be that of a node that is gone: this is all that there will be.
    if ends || !over {
        flush(writer).await;
    }
    if !over {
        // The stream may end before the watch tells of the executor's end. The bell rings for other
        // Pods, too: a stream for each ring would keep the node from its work.
        let ended = async {
            while !is_over(cluster, launched) {
                bell.rung().await;
            }
        };
        let _ = timeout(AGAIN, ended).await;
    }
    Ok(ends)
}

/// Opens a log: at a place to follow it there, else as it is now.
async fn open(
    cluster: &Cluster,
    place: Option<&Place>,
    pod: &str,
    since: Option<Timestamp>,
) -> kube::Result<impl AsyncBufRead + Unpin + Send + use<>> {
    let own = |place: &Place| place.pods(&cluster.site.settings.namespace);
    let pods = place.map_or_else(|| cluster.pods(), own);
    // A connection that others use too does not end when this call has no answer.
    match timeout(SILENCE, live::open(&pods, pod, since, place.is_some())).await {
        Ok(opened) => opened,
        Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
    }
}

/// Puts what was read into the store, however long that takes: meanwhile no more is read.
async fn flush(writer: &mut Writer<'_>) {
    let mut pause = Pause::default();
    while let Err(error) = writer.flush().await {
        pause.after(&error).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads so many times, with a pause before each.
    async fn reading(seen: &Seen, times: usize, pause: Duration) {
        for _ in 0..times {
            sleep(pause).await;
            seen.read(1);
        }
    }

    #[tokio::test]
    async fn a_log_is_waited_for_as_long_as_it_goes_on() {
        let still = Duration::from_millis(200);
        for (times, pause, is_kept) in
            [(0, 0, true), (60, 10, true), (1, 9000, false), (900, 10, false)]
        {
            let seen = Seen::default();
            let keeping = Box::pin(reading(&seen, times, Duration::from_millis(pause)));
            assert_eq!(seen.rest_within(keeping, still).await, is_kept, "{times} times {pause} ms");
        }
    }

    #[test]
    fn a_long_log_has_longer_for_its_last_words() {
        let seen = Seen::default();
        seen.read(LONG as usize);
        assert_eq!(seen.last_words(), LAST_WORDS);
        seen.read(1);
        assert_eq!(seen.last_words(), LAST_WORDS_OF_LONG);
    }
}
