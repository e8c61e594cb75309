//! A source at a commit, as one tree of files, its submodules in their places.

use std::{collections::BTreeMap, fmt::Display};

use anyhow::Context;
use git2::{ObjectType, Oid, TreeEntry};
use kilnworks_workflows::{bounds, failure::FailureType};
use tokio_util::sync::CancellationToken;

use super::{address::Address, mirror::Mirror};
use crate::{blocking::go_on, error::fail};

/// How many symlinks one path may lead through.
const MAX_SYMLINKS: usize = 40;

/// Longest path, and longest target of a symlink, in bytes: Linux takes no longer one.
pub const MAX_PATH: usize = 4096;

/// Bytes of a path over the bound that are told.
const SHOWN: usize = 256;

/// A source at a commit. Its mirrors are in use for as long as it lives.
pub struct Tree {
    mirrors: Vec<Mirror>,
    root: Place,
    grafts: BTreeMap<Vec<u8>, Place>,
}

/// A tree object of one of the mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which mirror.
    pub repo: usize,
    /// The tree object.
    pub tree: Oid,
}

/// Something in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root of the source, without a slash at either end; empty for the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its git object: a tree, a blob, or the commit of a link.
    pub id: Oid,
    /// Which mirror has it.
    pub repo: usize,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// Whether it may be run.
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
        Self { mirrors: vec![mirror], root: Place { repo: 0, tree }, grafts: BTreeMap::new() }
    }

    /// Adds a mirror whose trees can be grafted.
    pub fn add(&mut self, mirror: Mirror, tree: Oid) -> Place {
        self.mirrors.push(mirror);
        Place { repo: self.mirrors.len() - 1, tree }
    }

    /// Puts another tree in the place of what is at a path.
    pub fn graft(&mut self, path: Vec<u8>, place: Place) -> Entry {
        self.grafts.insert(path.clone(), place);
        directory(path, place)
    }

    /// How many submodules there are.
    pub fn grafts(&self) -> usize {
        self.grafts.len()
    }

    /// The submodules in a directory, with their paths from it.
    pub fn grafts_in(&self, dir: &Entry) -> impl Iterator<Item = (&[u8], Oid)> {
        let inside = |path: &'_ [u8]| match dir.path.len() {
            0 => Some(0),
            length => (path.starts_with(&dir.path) && path.get(length) == Some(&b'/'))
                .then_some(length + 1),
        };
        self.grafts
            .iter()
            .filter_map(move |(path, place)| Some((&path[inside(path)?..], place.tree)))
    }

    /// Paths of the mirrors that this tree reads.
    pub fn mirrors(&self) -> impl Iterator<Item = &Mirror> {
        self.mirrors.iter()
    }

    /// The repository that an entry is in.
    pub fn address_of(&self, entry: &Entry) -> &Address {
        &self.mirrors[entry.repo].address
    }

    /// The root directory.
    pub fn root(&self) -> Entry {
        directory(Vec::new(), self.root)
    }

    /// The first entries of a directory, and how many it has.
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

    /// Shows everything in a directory, a directory before what is in it, in git's order: by name, a
    /// directory as if it ended in a slash. The order is the same everywhere. What is deeper than
    /// [`bounds::SOURCE_DEPTH`], or more than [`bounds::SOURCE_ENTRIES`], is a failure.
    pub fn walk(
        &self,
        dir: &Entry,
        cancel: &CancellationToken,
        see: &mut dyn FnMut(&Entry) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.walk_some(dir, cancel, &mut |entry| see(entry).map(|()| true))
    }

    /// The same, but for what is in a directory of which `see` says `false`.
    pub fn walk_some(
        &self,
        dir: &Entry,
        cancel: &CancellationToken,
        see: &mut dyn FnMut(&Entry) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut walk = Walk { tree: self, cancel, see, most: bounds::SOURCE_ENTRIES, listed: 0 };
        walk.through(dir, 0, 0)
    }

    /// What is at a path, symlinks followed as far as they stay in the source. None where nothing
    /// is, or a symlink leads out.
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

    /// The content of a file or symlink; none where it has more than `max` bytes.
    pub fn read(&self, entry: &Entry, max: usize) -> anyhow::Result<Option<Vec<u8>>> {
        self.look(entry, max, |content| Ok(content.to_vec()))
    }

    /// Looks at the content of a file or symlink; none where it has more than `max` bytes. libgit2
    /// reads it into memory as a whole: it has no streams out of packs.
    pub fn look<T>(
        &self,
        entry: &Entry,
        max: usize,
        look: impl FnOnce(&[u8]) -> anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let odb = self.mirrors[entry.repo].repo.odb().context("cannot read a mirror")?;
        let (size, _) = odb.read_header(entry.id).context("cannot read a file")?;
        if size > max {
            return Ok(None);
        }
        let object = odb.read(entry.id).context("cannot read a file")?;
        look(object.data()).map(Some)
    }

    /// How many bytes the git object of an entry has. It is not read.
    pub fn size(&self, entry: &Entry) -> anyhow::Result<u64> {
        let odb = self.mirrors[entry.repo].repo.odb().context("cannot read a mirror")?;
        let (size, _) = odb.read_header(entry.id).context("cannot read a file")?;
        Ok(size as u64)
    }

    /// The listing of a directory, and its bytes with those above it.
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
            let message = format!("the source holds a file of the forbidden name `{shown}`");
            return Err(fail(FailureType::RevisionNotFound, message));
        }
        if let Some(place) = self.grafts.get(&path) {
            return Ok(directory(path, *place));
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

/// A walk through directories.
struct Walk<'a> {
    tree: &'a Tree,
    cancel: &'a CancellationToken,
    see: &'a mut dyn FnMut(&Entry) -> anyhow::Result<bool>,
    /// How many entries there may be.
    most: usize,
    /// How many are in the directories that were opened.
    listed: usize,
}

impl Walk<'_> {
    /// Shows what is in a directory that is so deep, with so many bytes of listings above it.
    fn through(&mut self, dir: &Entry, depth: usize, above: u64) -> anyhow::Result<()> {
        if depth > bounds::SOURCE_DEPTH {
            return Err(over(&dir.path, depth, "levels of directories", bounds::SOURCE_DEPTH));
        }
        let tree = self.tree;
        let (listing, bytes) = tree.open(dir, above)?;
        self.listed += listing.len();
        if self.listed > self.most {
            return Err(over(&dir.path, self.listed, "entries up to there", self.most));
        }
        for entry in listing.iter() {
            go_on(self.cancel)?;
            let entry = tree.entry(dir, &entry)?;
            if (self.see)(&entry)? && entry.kind == Kind::Dir {
                self.through(&entry, depth + 1, bytes)?;
            }
        }
        Ok(())
    }
}

/// Says what of a source is over a bound, and at which path.
pub fn over(path: &[u8], count: impl Display, unit: &str, bound: impl Display) -> anyhow::Error {
    let path = String::from_utf8_lossy(path);
    let message = format!("`{path}` of the source: {count} {unit}; at most {bound} are accepted");
    fail(FailureType::InvalidSpec, message)
}

fn directory(path: Vec<u8>, place: Place) -> Entry {
    Entry { path, kind: Kind::Dir, id: place.tree, repo: place.repo }
}

/// The parts of a path, the last one first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    let named = parts.filter(|part| !part.is_empty() && *part != b".");
    named.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
pub(crate) mod tests;
