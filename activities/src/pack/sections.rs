//! A context in sections: runs of whole files and directories, in the order of the walk.
//!
//! Where one ends is drawn from the names of the files, with more chances for larger ones, so that
//! the same directory has the same sections everywhere, and a change of one file is a change of one
//! section. Each is packed by itself: what an earlier context has of them need not be packed again.

use anyhow::Context;
use kilnworks_workflows::{bounds, names};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::FORMAT;
use crate::{
    lfs::Pointer,
    source::tree::{Entry, Kind, MAX_PATH, Tree, over},
};

/// A section has as many bytes on average, before it is compressed.
const USUAL: u64 = 1024 * 1024;

/// None but the last ends with fewer bytes.
const LEAST: u64 = USUAL / 4;

/// None takes another file with more bytes.
const MOST: u64 = 4 * USUAL;

/// What an entry takes of an archive beside its content, in bytes.
const HEADER: u64 = 512;

/// The sections of a context.
#[derive(Debug)]
pub struct Sections {
    /// All of them, at least one.
    pub list: Vec<Section>,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// A run of entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// What tells it from any other: SHA-256 of all that its bytes are made of.
    pub id: String,
    /// How many entries it has.
    pub entries: usize,
}

/// Finds the sections of a directory. No file is read for it, but Git LFS pointer files: what is over
/// a bound is found before it takes memory or disk.
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
    // The end of the archive is part of it.
    last.id = names::hex(format!("{} end", last.id).as_bytes());
    Ok(Sections { list, bytes })
}

/// Shows everything that is packed: the directory itself, by an empty name, then what is in it.
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
        // git itself never writes such an entry. Others do.
        let is_git =
            name.split(|byte| *byte == b'/').any(|part| part.eq_ignore_ascii_case(b".git"));
        if is_git { Ok(()) } else { see(entry, name) }
    })
}

/// How many bytes the content of an entry has in the archive, which are bounded.
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

/// The section that has not ended.
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

    /// A large file begins a section: it is not to be sent again for its neighbours.
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

    /// Ends it, where there is one, and begins another.
    fn end(&mut self) -> Option<Section> {
        let Self { id, entries, .. } = std::mem::replace(self, Self::new(self.lfs));
        let id = id.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (entries > 0).then_some(Section { id, entries })
    }
}

/// A number below [`USUAL`] that a name always draws.
fn draw(name: &[u8]) -> u64 {
    let digest = Sha256::digest(name);
    let drawn = digest[..8].iter().fold(0, |drawn, byte| drawn << 8 | u64::from(*byte));
    drawn % USUAL
}

#[cfg(test)]
mod tests;
