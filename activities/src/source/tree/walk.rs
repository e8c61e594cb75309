//! Walks through the directories of a tree.

use kilnworks_workflows::bounds;
use tokio_util::sync::CancellationToken;

use super::{Entry, Kind, Tree, over};
use crate::blocking::go_on;

impl Tree {
    /// Visits everything below a directory, in git's order: by name, a directory as if its name ended in
    /// a slash, and before its entries. Fails if there is more than [`bounds::SOURCE_ENTRIES`], or
    /// anything deeper than [`bounds::SOURCE_DEPTH`].
    pub fn walk(
        &self,
        dir: &Entry,
        cancel: &CancellationToken,
        see: &mut dyn FnMut(&Entry) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.walk_some(dir, cancel, &mut |entry| see(entry).map(|()| true))
    }

    /// Same as [`Self::walk`], but skips the entries of a directory for which `see` returns `false`.
    pub fn walk_some(
        &self,
        dir: &Entry,
        cancel: &CancellationToken,
        see: &mut dyn FnMut(&Entry) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut walk = Walk { tree: self, cancel, see, most: bounds::SOURCE_ENTRIES, listed: 0 };
        walk.through(dir, 0, 0)
    }
}

/// A walk through directories.
pub(super) struct Walk<'a> {
    pub(super) tree: &'a Tree,
    pub(super) cancel: &'a CancellationToken,
    pub(super) see: &'a mut dyn FnMut(&Entry) -> anyhow::Result<bool>,
    /// The most entries of the walk.
    pub(super) most: usize,
    /// Entries in the directories opened so far.
    pub(super) listed: usize,
}

impl Walk<'_> {
    /// Visits the entries of a directory. `depth` is its depth, `above` the bytes of listings above it.
    pub(super) fn through(&mut self, dir: &Entry, depth: usize, above: u64) -> anyhow::Result<()> {
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
