//! A log as it is read: out of the store, then from the cluster, each line once.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;

use super::parts::{self, CUT};
use crate::store::ContextStore;

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    /// When it was written; none where it is a note about the log.
    pub at: Option<Timestamp>,
    /// Without the end of line.
    pub text: &'a [u8],
}

/// Who takes the lines. An error ends the reading.
pub type Out<'a> = dyn FnMut(Line<'_>) -> anyhow::Result<()> + Send + 'a;

/// How far a log was read. A line whose time is not later than the last one's was read before: two
/// may have kept the log, and the cluster is asked from a whole second on.
#[derive(Default)]
pub struct Reader {
    last: Option<Timestamp>,
    /// How many bytes of the log lie before the end of what was read of the store.
    end: u64,
    /// Bytes that the store has not, of which the next line tells first.
    missing: u64,
    /// The parts that were read, and how large they were: one may have grown.
    seen: HashMap<String, u64>,
    is_cut: bool,
}

impl Reader {
    /// The time of the last line that was given.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Gives what the store has of a log and was not given before. One part is in memory at once.
    pub async fn stored(
        &mut self,
        store: &dyn ContextStore,
        prefix: &str,
        out: &mut Out<'_>,
    ) -> anyhow::Result<()> {
        for part in parts::list(store, prefix).await? {
            if self.seen.get(&part.key) == Some(&part.size) {
                continue;
            }
            // One that was removed meanwhile is a gap.
            let Some(bytes) = store.read(&part.key).await? else { continue };
            self.seen.insert(part.key.clone(), part.size);
            self.missing += part.offset.saturating_sub(self.end);
            self.end = self.end.max(part.offset + bytes.len() as u64);
            for line in bytes.split(|byte| *byte == b'\n') {
                if let Some((at, text)) = parts::parse(line) {
                    self.line(at, text, out)?;
                }
            }
        }
        Ok(())
    }

    /// Gives a line, unless it was given before.
    pub fn line(&mut self, at: Timestamp, text: &[u8], out: &mut Out<'_>) -> anyhow::Result<()> {
        // Another may still have kept lines while the mark was set: it is the last word.
        if text == CUT.as_bytes() {
            self.is_cut = true;
            return Ok(());
        }
        if self.last.is_some_and(|last| at <= last) {
            return Ok(());
        }
        self.last = Some(at);
        if self.missing > 0 {
            let gap = format!("… {} of the log are not kept …", size(self.missing));
            self.missing = 0;
            out(Line { at: None, text: gap.as_bytes() })?;
        }
        out(Line { at: Some(at), text })
    }

    /// Gives what comes after the last line, once nothing more will come.
    pub fn end(self, out: &mut Out<'_>) -> anyhow::Result<()> {
        match self.is_cut {
            true => out(Line { at: None, text: CUT.as_bytes() }),
            false => Ok(()),
        }
    }
}

fn size(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let bytes = bytes as f64;
    match bytes < KIB * KIB {
        true => format!("{:.1} KiB", bytes / KIB),
        false => format!("{:.1} MiB", bytes / KIB / KIB),
    }
}
