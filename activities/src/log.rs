//! The executor's log: keeping it, reading it, and finding Kaniko's own messages in it.

pub mod cut;
pub mod follow;
pub mod keep;
pub mod live;
pub mod parts;
pub mod read;
#[cfg(test)]
mod tests;
pub mod verdict;

use kilnworks_workflows::failure::tail;

use crate::{cluster::Cluster, dockerfile, pod::seen::SeenPod, store::ContextStore};

/// Where logs are kept, and how much of each.
#[derive(Clone, Copy)]
pub struct Logs<'a> {
    /// The store.
    pub store: &'a dyn ContextStore,
    /// The most bytes that are kept of one attempt's log.
    pub max_bytes: u64,
}

impl<'a> Logs<'a> {
    /// Starts or continues to keep the log of a Pod. The Secrets that the log may contain are learned
    /// first.
    async fn writer(
        &self,
        cluster: &Cluster,
        pod: &SeenPod,
        prefix: &str,
    ) -> anyhow::Result<parts::Writer<'a>> {
        live::learn_secrets(cluster, pod).await?;
        parts::Writer::begin(self.store, prefix, self.max_bytes).await
    }
}

/// Bytes of a log's end that are kept in memory.
pub const TAIL_BYTES: usize = 64 * 1024;

/// The most steps of a build that are kept in memory: the last ones.
const MAX_STEPS: usize = 1000;

/// Bytes of the longest line that is searched as a whole.
const MAX_LINE: usize = 16 * 1024;

/// What a log says about a build. Its size is bounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Its last 64 KiB.
    pub tail: String,
    /// The Dockerfile instructions that Kaniko said it runs, in order.
    pub steps: Vec<String>,
}

impl Log {
    /// Reads a log from a text.
    pub fn of(text: &str) -> Self {
        let mut scan = Scan::default();
        scan.push(text.as_bytes());
        scan.end()
    }
}

#[derive(Default)]
struct Scan {
    tail: Vec<u8>,
    line: Vec<u8>,
    steps: std::collections::VecDeque<String>,
}

impl Scan {
    fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.line_ends();
            }
        }
    }

    fn line_ends(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if let Some(step) = message(line.trim_end()).filter(|text| dockerfile::is_step(text)) {
            self.steps.push_back(step);
        }
        if self.steps.len() > MAX_STEPS {
            self.steps.pop_front();
        }
    }

    fn end(mut self) -> Log {
        self.line_ends();
        Log {
            tail: tail(&String::from_utf8_lossy(&self.tail), TAIL_BYTES),
            steps: self.steps.into(),
        }
    }
}

/// The message in a line of Kaniko's own: `time="…" level=info msg="RUN make"`, or, with another log
/// format, `INFO[0003] RUN make`. None for the output of a `RUN`.
pub fn message(line: &str) -> Option<String> {
    if line.starts_with("time=") {
        let (_, message) = line.split_once(" msg=")?;
        return Some(unquoted(message));
    }
    let line = line.strip_prefix("\u{1b}[36m").unwrap_or(line);
    let rest = line.strip_prefix("INFO")?;
    let rest = rest.strip_prefix("\u{1b}[0m").unwrap_or(rest);
    let (time, message) = rest.strip_prefix('[')?.split_once(']')?;
    let is_time = time.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then(|| message.trim().to_owned())
}

/// Removes Go's quotes from a text. Go quotes almost all texts as JSON does.
fn unquoted(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('"').to_owned())
}

/// Reads the whole log of an attempt: first from the store, then the rest from its Pod. It looks for
/// steps in the whole log, because the output of one `RUN` may be longer than the tail. If either
/// cannot be read, the other is enough.
pub async fn whole(
    store: &dyn ContextStore,
    cluster: &Cluster,
    prefix: &str,
    pod: &str,
) -> anyhow::Result<Log> {
    let (mut scan, mut reader) = (Scan::default(), read::Reader::default());
    let mut push = |line: read::Line<'_>| {
        scan.push(line.text);
        scan.push(b"\n");
        Ok(())
    };
    if let Err(error) = reader.stored(store, prefix, &mut push).await {
        tracing::warn!(pod, "the log is read from the cluster alone: {error:#}");
    }
    let since = reader.last();
    let mut add = |at, text: &[u8]| {
        // This closure never fails.
        let _ = reader.line(at, text, &mut push);
    };
    match live::read(&cluster.pods(), pod, since, false, &mut add).await {
        Err(error) if scan.tail.is_empty() => Err(error),
        _ => Ok(scan.end()),
    }
}

#[cfg(test)]
mod scan_tests {
    use super::*;

    #[test]
    fn only_kanikos_own_lines_are_steps() {
        let log = Log::of(concat!(
            "time=\"2026-11-22T13:40:10Z\" level=info msg=\"RUN echo \\\"a b\\\" && \\texit 7\"\n",
            "time=\"2026-11-22T13:40:10Z\" level=info msg=\"Taking snapshot of full filesystem...\"\n",
            "RUN this is output\n",
            "INFO[0003] COPY a /b\n",
            "\u{1b}[36mINFO\u{1b}[0m[0004] WORKDIR /x\n",
        ));
        let expected = ["RUN echo \"a b\" && \texit 7", "COPY a /b", "WORKDIR /x"];
        assert_eq!(log.steps, expected);
    }

    #[test]
    fn a_long_log_keeps_its_end_and_its_steps() {
        let noise = "x".repeat(99) + "\n";
        let text = format!("INFO[0001] RUN make\n{}the end", noise.repeat(5000));
        let log = Log::of(&text);
        assert_eq!(log.steps, ["RUN make"]);
        assert!(log.tail.ends_with("the end"));
        assert!(log.tail.len() <= TAIL_BYTES + '…'.len_utf8());
    }
}
