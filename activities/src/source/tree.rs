//! A source at a commit as one tree of files, with the trees of its submodules.

mod walk;

use std::{collections::BTreeMap, fmt::Display};

use anyhow::Context;
use git2::{ObjectType, Oid, TreeEntry};
use kilnworks_workflows::{bounds, failure::FailureType};

use super::{address::Address, mirror::Mirror};
use crate::error::fail;

/// The most symlinks on one path.
const MAX_SYMLINKS: usize = 40;

/// Bytes of the longest path, and of the longest target of a symlink: Linux allows no more.
pub const MAX_PATH: usize = 4096;

/// Bytes of a long path that an error shows.
const SHOWN: usize = 256;

/// A source at a commit. It keeps its mirrors in use until it is dropped.
pub struct Tree {
    mirrors: Vec<Mirror>,
    root: TreeRef,
    grafts: BTreeMap<Vec<u8>, TreeRef>,
}

/// A tree object in the mirror with an index.
#[derive(Clone, Copy)]
struct TreeRef {
    repo: usize,
    tree: Oid,
}

/// An entry of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root of the source, without a slash at either end. The root's path is empty.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its git object: a tree, a blob, or the commit of a link.
    pub id: Oid,
    /// Index of the mirror that has the object.
    pub repo: usize,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// Whether the file is executable.
        executable: bool,
    },
    /// A symlink; its target is its content.
    Symlink,
    /// A submodule that was not fetched: an empty directory, as in a checkout.
    Link,
}

impl Tree {
    /// The tree of a mirror, without submodules.
    pub fn new(mirror: Mirror, tree: Oid) -> Self {
        Self { mirrors: vec![mirror], root: TreeRef { repo: 0, tree }, grafts: BTreeMap::new() }
    }

    /// Replaces what is at a path by a tree of another mirror.
    pub fn graft(&mut self, path: Vec<u8>, mirror: Mirror, tree: Oid) -> Entry {
        let tree_ref = TreeRef { repo: self.mirrors.len(), tree };
        self.mirrors.push(mirror);
        self.grafts.insert(path.clone(), tree_ref);
        directory(path, tree_ref)
    }

    /// The number of submodules.
    pub fn grafts(&self) -> usize {
        self.grafts.len()
    }

    /// The submodules below a directory, each with its path from there.
    pub fn grafts_in(&self, dir: &Entry) -> impl Iterator<Item = (&[u8], Oid)> {
        let inside = |path: &'_ [u8]| match dir.path.len() {
            0 => Some(0),
            length => (path.starts_with(&dir.path) && path.get(length) == Some(&b'/'))
                .then_some(length + 1),
        };
        self.grafts
            .iter()
            .filter_map(move |(path, tree_ref)| Some((&path[inside(path)?..], tree_ref.tree)))
    }

    /// The repository of an entry.
    pub fn address_of(&self, entry: &Entry) -> &Address {
        &self.mirrors[entry.repo].address
    }

    /// The root directory.
    pub fn root(&self) -> Entry {
        directory(Vec::new(), self.root)
    }

    /// The first entries of a directory, and the number of all its entries.
    pub fn first(&self, dir: &Entry, most: usize) -> anyhow::Result<(Vec<Entry>, usize)> {
        let (tree, _) = self.open(dir, 0)?;
        let first = tree.iter().take(most).map(|entry| self.entry(dir, &entry));
        Ok((first.collect::<anyhow::Result<_>>()?, tree.len()))
    }

    /// One entry of a directory.
    pub fn child(&self, dir: &Entry, name: &[u8]) -> anyhow::Result<Option<Entry>> {
        let (tree, _) = self.open(dir, 0)?;
        let found = tree.iter().find(|entry| entry.name_bytes() == name);
        found.map(|entry| self.entry(dir, &entry)).transpose()
    }

    /// The entry at a path. Symlinks are followed inside the source. None if nothing is there, or if a
    /// symlink leads outside.
    pub fn find(&self, path: &str) -> anyhow::Result<Option<Entry>> {
        let mut at = vec![self.root()];
        let mut todo: Vec<Vec<u8>> = parts(path.as_bytes());
        let mut symlinks = 0;
        while let Some(part) = todo.pop() {
            let Some(here) = at.last().filter(|here| here.kind == Kind::Dir) else {
                return Ok(None);
            };
            if part == b".." {
                at.pop();
                continue;
            }
            let Some(entry) = self.child(here, &part)? else {
                return Ok(None);
            };
            if entry.kind != Kind::Symlink {
                at.push(entry);
                continue;
            }
            symlinks += 1;
            let target = self.read(&entry, MAX_PATH)?.unwrap_or_default();
            if target.starts_with(b"/") || target.is_empty() || symlinks > MAX_SYMLINKS {
                return Ok(None);
            }
            todo.extend(parts(&target));
        }
        Ok(at.pop())
    }

    /// The content of a file or symlink; none if it has more than `max` bytes.
    pub fn read(&self, entry: &Entry, max: usize) -> anyhow::Result<Option<Vec<u8>>> {
        self.look(entry, max, |content| Ok(content.to_vec()))
    }

    /// Calls `look` with the content of a file or symlink; none if it has more than `max` bytes. libgit2
    /// reads the whole content into memory, because it cannot stream from packs.
    pub fn look<T>(
        &self,
        entry: &Entry,
        max: usize,
        look: impl FnOnce(&[u8]) -> anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        if self.size(entry)? > max as u64 {
            return Ok(None);
        }
        let odb = self.mirrors[entry.repo].repo.odb().context("cannot read a mirror")?;
        let object = odb.read(entry.id).context("cannot read a file")?;
        look(object.data()).map(Some)
    }

    /// Bytes of an entry's git object. The object is not read.
    pub fn size(&self, entry: &Entry) -> anyhow::Result<u64> {
        let odb = self.mirrors[entry.repo].repo.odb().context("cannot read a mirror")?;
        let (size, _) = odb.read_header(entry.id).context("cannot read a file")?;
        Ok(size as u64)
    }

    /// The listing of a directory, and its bytes plus those of the listings above it.
    fn open(&self, dir: &Entry, above: u64) -> anyhow::Result<(git2::Tree<'_>, u64)> {
        let bytes = above.saturating_add(self.size(dir)?);
        if bytes > bounds::LISTING_BYTES {
            return Err(over(&dir.path, bytes, "bytes of listings", bounds::LISTING_BYTES));
        }
        let repo = &self.mirrors[dir.repo].repo;
        Ok((repo.find_tree(dir.id).context("cannot read a directory")?, bytes))
    }

    fn entry(&self, dir: &Entry, entry: &TreeEntry<'_>) -> anyhow::Result<Entry> {
        let name = entry.name_bytes();
        let mut path = dir.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if path.len() > MAX_PATH {
            return Err(over(&path[..SHOWN], path.len(), "bytes in a path", MAX_PATH));
        }
        if name.is_empty() || name.contains(&b'/') || matches!(name, b"." | b"..") {
            let shown = String::from_utf8_lossy(&path).into_owned();
            let message = format!("the source contains a file with the forbidden name `{shown}`");
            return Err(fail(FailureType::RevisionNotFound, message));
        }
        if let Some(tree_ref) = self.grafts.get(&path) {
            return Ok(directory(path, *tree_ref));
        }
        let kind = match (entry.kind(), entry.filemode()) {
            (Some(ObjectType::Tree), _) => Kind::Dir,
            (Some(ObjectType::Commit), _) => Kind::Link,
            (_, 0o120_000) => Kind::Symlink,
            (_, mode) => Kind::File { executable: mode & 0o111 != 0 },
        };
        Ok(Entry { path, kind, id: entry.id(), repo: dir.repo })
    }
}

/// The failure of a source that exceeds a bound, with the path where it does.
pub fn over(path: &[u8], count: impl Display, unit: &str, bound: impl Display) -> anyhow::Error {
    let path = String::from_utf8_lossy(path);
    let message = format!("`{path}` of the source: {count} {unit}; at most {bound} are accepted");
    fail(FailureType::InvalidSpec, message)
}

fn directory(path: Vec<u8>, tree_ref: TreeRef) -> Entry {
    Entry { path, kind: Kind::Dir, id: tree_ref.tree, repo: tree_ref.repo }
}

/// The parts of a path, the last part first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    let named = parts.filter(|part| !part.is_empty() && *part != b".");
    named.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
pub(crate) mod tests;
