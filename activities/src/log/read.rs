//! Reads a log: first from the store, then from the cluster, each line once.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;

use super::parts::{self, CUT};
use crate::store::ContextStore;

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    /// When the line was written; none for a note about the log.
    pub at: Option<Timestamp>,
    /// The line without its line end.
    pub text: &'a [u8],
}

/// Receives the lines. An error ends the reading.
pub type Out<'a> = dyn FnMut(Line<'_>) -> anyhow::Result<()> + Send + 'a;

/// How far a log was read. A line that is not later than the last line was read before: two workers
/// may have kept the log, and the cluster returns logs from a whole second on.
#[derive(Default)]
pub struct Reader {
    last: Option<Timestamp>,
    /// The offset of the end of what was read from the store.
    end: u64,
    /// Bytes missing in the store before the next line. A note about them precedes that line.
    missing: u64,
    /// The parts that were read, with their sizes: a part may grow.
    seen: HashMap<String, u64>,
    is_cut: bool,
}

impl Reader {
    /// The time of the last line passed on.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Passes on what the store has and was not read before. Memory: one part at a time.
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
            // A part that was deleted meanwhile is a gap.
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

    /// Passes on a line, unless it was passed on before.
    pub fn line(&mut self, at: Timestamp, text: &[u8], out: &mut Out<'_>) -> anyhow::Result<()> {
        // Another worker may have kept more lines, so the mark is passed on at the end.
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

    /// Ends the reading, and passes on what comes after the last line.
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
