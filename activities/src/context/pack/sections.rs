//! Splits a context into sections: runs of files and directories, in the order of the walk.
//!
//! The ends of sections depend on the names and sizes of the files only. So the same directory has
//! the same sections everywhere, and a change of one file changes one section. Each section is
//! packed by itself, so sections that an earlier context has are copied instead of packed.

use anyhow::Context;
use kilnworks_workflows::{bounds, names};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::FORMAT;
use crate::source::{
    lfs::Pointer,
    tree::{Entry, Kind, MAX_PATH, Tree, over},
};

/// The average bytes of a section before compression.
const USUAL: u64 = 1024 * 1024;

/// The fewest bytes of a section, except the last.
const LEAST: u64 = USUAL / 4;

/// A section with this many bytes takes no further file.
const MOST: u64 = 4 * USUAL;

/// Bytes of an entry in the archive besides its content.
const HEADER: u64 = 512;

/// The sections of a context.
#[derive(Debug)]
pub struct Sections {
    /// All sections; at least one.
    pub list: Vec<Section>,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// A section: a run of entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// SHA-256 of everything that determines its bytes.
    pub id: String,
    /// The number of its entries.
    pub entries: usize,
}

/// Finds the sections of a directory, and checks its sizes before they take memory or disk. Of the
/// files it reads only Git LFS pointers.
pub fn of(
    tree: &Tree,
    context: &Entry,
    lfs: bool,
    cancel: &CancellationToken,
) -> anyhow::Result<Sections> {
    let mut open = Open::new(lfs);
    let (mut list, mut bytes) = (Vec::new(), 0);
    each(tree, context, cancel, &mut |entry, name| {
        let size = size(tree, entry, lfs)?;
        bytes += size;
        if bytes > bounds::CONTEXT_BYTES {
            let unit = "bytes of files up to there";
            return Err(over(&entry.path, bytes, unit, bounds::CONTEXT_BYTES));
        }
        if open.ends_before(size) {
            list.extend(open.end());
        }
        open.add(entry, name, size);
        if open.ends_after(name, size) {
            list.extend(open.end());
        }
        Ok(())
    })?;
    list.extend(open.end());
    let last = list.last_mut().context("a context has at least its directory")?;
    // The last section contains the end of the archive.
    last.id = names::hex(format!("{} end", last.id).as_bytes());
    Ok(Sections { list, bytes })
}

/// Visits everything that is packed: the directory itself, with an empty name, then its entries.
pub(super) fn each(
    tree: &Tree,
    context: &Entry,
    cancel: &CancellationToken,
    see: &mut dyn FnMut(&Entry, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    see(context, b"")?;
    let prefix = if context.path.is_empty() { 0 } else { context.path.len() + 1 };
    tree.walk(context, cancel, &mut |entry| {
        let name = &entry.path[prefix..];
        // git itself never writes such an entry, but other programs do.
        let is_git =
            name.split(|byte| *byte == b'/').any(|part| part.eq_ignore_ascii_case(b".git"));
        if is_git { Ok(()) } else { see(entry, name) }
    })
}

/// Bytes of an entry's content in the archive, checked against the bounds.
fn size(tree: &Tree, entry: &Entry, lfs: bool) -> anyhow::Result<u64> {
    let at_most = |bytes: u64, unit: &str, bound: u64| match bytes > bound {
        true => Err(over(&entry.path, bytes, unit, bound)),
        false => Ok(bytes),
    };
    match entry.kind {
        Kind::Dir | Kind::Link => return Ok(0),
        Kind::Symlink => {
            at_most(tree.size(entry)?, "bytes in a symlink", MAX_PATH as u64)?;
            return Ok(0);
        }
        Kind::File { .. } => {}
    }
    if lfs && let Some(pointer) = Pointer::of(tree, entry)? {
        return at_most(pointer.size, "bytes in Git LFS", bounds::CONTEXT_BYTES);
    }
    at_most(tree.size(entry)?, "bytes outside of Git LFS", bounds::CONTEXT_FILE_BYTES)
}

/// The current section.
struct Open {
    lfs: bool,
    id: Sha256,
    entries: usize,
    bytes: u64,
}

impl Open {
    fn new(lfs: bool) -> Self {
        let id = Sha256::new_with_prefix(format!("section {FORMAT}\nlfs {lfs}\n"));
        Self { lfs, id, entries: 0, bytes: 0 }
    }

    /// A large file starts a section, so that a change of its neighbours does not send it again.
    fn ends_before(&self, size: u64) -> bool {
        size >= USUAL && self.entries > 0
    }

    fn ends_after(&self, name: &[u8], size: u64) -> bool {
        self.bytes >= MOST || self.bytes >= LEAST && draw(name) < size + HEADER
    }

    fn add(&mut self, entry: &Entry, name: &[u8], size: u64) {
        let kind = match entry.kind {
            Kind::Dir | Kind::Link => "directory".to_owned(),
            Kind::Symlink => format!("symlink {}", entry.id),
            Kind::File { executable } => format!("file {executable} {}", entry.id),
        };
        self.id.update(format!("{kind}\n{}\n", name.len()));
        self.id.update(name);
        self.entries += 1;
        self.bytes += size + HEADER;
    }

    /// Ends the current section, if it has entries, and starts another.
    fn end(&mut self) -> Option<Section> {
        let Self { id, entries, .. } = std::mem::replace(self, Self::new(self.lfs));
        let id = id.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (entries > 0).then_some(Section { id, entries })
    }
}

/// A number below [`USUAL`] that depends on the name only.
fn draw(name: &[u8]) -> u64 {
    let digest = Sha256::digest(name);
    let drawn = digest[..8].iter().fold(0, |drawn, byte| drawn << 8 | u64::from(*byte));
    drawn % USUAL
}

#[cfg(test)]
mod tests;
