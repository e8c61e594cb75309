//! A log in the store: parts, each a text of whole lines, each line `time line`.
//!
//! The key of a part consists of the attempt's prefix, the part's offset in the log, and the id of
//! its writer. A stalled worker and its successor may keep the same log: neither overwrites the
//! other's parts, and a reader drops lines that both kept, by their times.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{log::cut::after, store::ContextStore};

/// Bytes at which a part is put into the store.
const PART: u64 = 1024 * 1024;

/// How long a line may wait before it is put into the store.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes below which a part is put again together with what follows, so that a log of one line per
/// second does not become thousands of objects.
const SMALL: usize = 64 * 1024;

/// The last line of a log whose build was ended while it ran.
pub const CUT: &str = "… cut here: the build was ended while it ran …";

/// A part in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its key.
    pub key: String,
    /// Its offset in the log, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

impl Part {
    /// The offset of its end.
    pub fn end(&self) -> u64 {
        self.offset + self.size
    }
}

/// The parts of a log in the store, sorted by key.
pub async fn list(store: &dyn ContextStore, prefix: &str) -> anyhow::Result<Vec<Part>> {
    let listed = store.list(prefix).await?;
    let part = |key: String, size| {
        let offset = key.strip_prefix(prefix)?.get(..12)?.parse().ok()?;
        Some(Part { key, offset, size })
    };
    Ok(listed.into_iter().filter_map(|stored| part(stored.key, stored.size)).collect())
}

/// Splits a stored line into its time and its text.
pub fn parse(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let time = std::str::from_utf8(&line[..space]).ok()?.parse().ok()?;
    Some((time, &line[space + 1..]))
}

/// Writes a log to the store. All its state is in the store: a new writer continues after the last
/// line of the last part. Memory: at most one part.
pub struct Writer<'a> {
    store: &'a dyn ContextStore,
    prefix: String,
    max_bytes: u64,
    keeper: String,
    parts: Vec<Part>,
    /// The lines of the part that is not full, and the offset of that part.
    open: Vec<u8>,
    offset: u64,
    /// When the first line was added that is not in the store.
    since: Option<Instant>,
    last: Option<Timestamp>,
}

impl<'a> Writer<'a> {
    /// Continues a log, or starts it. Of a longer log, `max_bytes` are kept: half from its start, the
    /// rest from its end.
    pub async fn begin(
        store: &'a dyn ContextStore,
        prefix: &str,
        max_bytes: u64,
    ) -> anyhow::Result<Self> {
        let parts = list(store, prefix).await?;
        let last = match parts.last() {
            Some(part) => store.read(&part.key).await?.and_then(|part| last_time(&part)),
            None => None,
        };
        Ok(Self {
            store,
            prefix: prefix.to_owned(),
            max_bytes,
            keeper: Uuid::new_v4().simple().to_string()[..8].to_owned(),
            offset: parts.iter().map(Part::end).max().unwrap_or_default(),
            parts,
            open: Vec::new(),
            since: None,
            last,
        })
    }

    /// The time of the last line.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Adds a line, unless the log has it.
    pub fn add(&mut self, at: Timestamp, line: &[u8]) {
        if self.last.is_some_and(|last| at <= last) {
            return;
        }
        self.last = Some(at);
        self.since.get_or_insert_with(Instant::now);
        self.open.extend_from_slice(format!("{at:.9} ").as_bytes());
        self.open.extend_from_slice(line);
        self.open.push(b'\n');
    }

    /// Adds a line saying that the build was ended here.
    pub fn mark_cut(&mut self) {
        let at = self.last.map_or_else(Timestamp::now, after);
        self.add(at, CUT.as_bytes());
    }

    /// The latest time for the next [`Self::flush`]. None if everything is in the store.
    pub fn due(&self) -> Option<Instant> {
        self.since.map(|since| if self.is_full() { since } else { since + PATIENCE })
    }

    /// Whether no line may be added before the next [`Self::flush`].
    pub fn is_full(&self) -> bool {
        self.open.len() as u64 >= self.part()
    }

    /// Bytes of a full part: small compared with the bound, so that the bound is kept closely.
    fn part(&self) -> u64 {
        PART.min(self.max_bytes / 8)
    }

    /// Writes the added lines to the store. A failed flush loses nothing and may be repeated.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        if self.since.is_none() {
            return Ok(());
        }
        let (prefix, offset, keeper) = (&self.prefix, self.offset, &self.keeper);
        let key = format!("{prefix}{offset:012}-{keeper}.log");
        self.store.write(&key, self.open.clone()).await?;
        let part = Part { key, offset, size: self.open.len() as u64 };
        self.parts.retain(|other| other.key != part.key);
        self.parts.push(part);
        self.since = None;
        if self.open.len() >= SMALL.min(self.part() as usize) {
            self.offset += self.open.len() as u64;
            self.open.clear();
        }
        self.trim().await
    }

    /// Deletes the oldest parts after the first half until the log is within its bound.
    async fn trim(&mut self) -> anyhow::Result<()> {
        let mut total: u64 = self.parts.iter().map(|part| part.size).sum();
        while total > self.max_bytes {
            let newest = self.parts.len() - 1;
            let mut tail = self.parts[..newest].iter();
            let Some(oldest) = tail.position(|part| part.offset >= self.max_bytes / 2) else {
                break;
            };
            self.store.delete(&self.parts[oldest].key).await?;
            total -= self.parts.remove(oldest).size;
        }
        Ok(())
    }
}

fn last_time(part: &[u8]) -> Option<Timestamp> {
    let mut lines = part.rsplit(|byte| *byte == b'\n');
    lines.find_map(|line| parse(line).map(|(at, _)| at))
}
