//! The names in an image: what each layer adds and removes, from the first layer to the last.

use std::collections::BTreeMap;

use tar::EntryType;
use tokio_util::sync::CancellationToken;

use super::{invalid, layer::Layer};

/// The most names of an image.
const MAX_NAMES: usize = 1_000_000;

/// The most symlinks on one path.
const MAX_SYMLINKS: usize = 40;

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LayerEntry {
    pub(super) layer: usize,
    /// Number of the entry in the layer.
    pub(super) entry: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Dir,
    File {
        origin: LayerEntry,
        size: u64,
    },
    Symlink(Vec<u8>),
    /// A device or a pipe.
    Other,
}

/// The names of the layers so far.
#[derive(Debug, Default)]
pub(super) struct Flat {
    nodes: BTreeMap<Vec<u8>, Node>,
}

/// The changes of one layer.
#[derive(Default)]
struct Change {
    added: BTreeMap<Vec<u8>, Node>,
    /// Paths that are removed with everything below them.
    removed: Vec<Vec<u8>>,
    /// Directories that are emptied.
    opaque: Vec<Vec<u8>>,
}

impl Flat {
    /// Adds one more layer on top.
    pub(super) fn add(
        &mut self,
        index: usize,
        layer: &Layer,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut change = Change::default();
        layer.entries(cancel, &mut |entry, found| {
            let path = plain(&found.path_bytes())?;
            if path.is_empty() || change.takes_away(&path) {
                return Ok(());
            }
            let link = found.link_name_bytes().map(|target| target.into_owned());
            let node = match (found.header().entry_type(), link) {
                (EntryType::Directory, _) => Node::Dir,
                (EntryType::Link, Some(target)) => self.linked(&change, &path, &target)?,
                (EntryType::Symlink, Some(target)) => Node::Symlink(target),
                (EntryType::Char | EntryType::Block | EntryType::Fifo, _) => Node::Other,
                _ => Node::File { origin: LayerEntry { layer: index, entry }, size: found.size() },
            };
            change.added.insert(path, node);
            match self.nodes.len() + change.added.len() > MAX_NAMES {
                true => Err(invalid(format!("the image has more than {MAX_NAMES} names"))),
                false => Ok(()),
            }
        })?;
        self.apply(change);
        Ok(())
    }

    /// The target of a hard link: a file of this layer, or of a lower one.
    fn linked(&self, change: &Change, path: &[u8], target: &[u8]) -> anyhow::Result<Node> {
        let target = plain(target)?;
        let found = change.added.get(&target).or_else(|| self.nodes.get(&target));
        found.filter(|node| **node != Node::Dir).cloned().ok_or_else(|| {
            invalid(format!(
                "`{}` is a link to `{}`, which is not a file",
                text(path),
                text(&target)
            ))
        })
    }

    /// Applies a layer. Removals concern lower layers only, wherever they are in this layer.
    fn apply(&mut self, change: Change) {
        for path in change.removed {
            self.clear(&path);
            self.nodes.remove(&path);
        }
        for path in change.opaque {
            self.clear(&path);
        }
        for (path, node) in change.added {
            if node != Node::Dir {
                self.clear(&path);
            }
            self.nodes.insert(path, node);
        }
    }

    /// Removes everything below a path.
    fn clear(&mut self, path: &[u8]) {
        let before = below(path);
        let inside = self.nodes.range(before.clone()..).map(|(path, _)| path);
        let inside: Vec<_> = inside.take_while(|path| path.starts_with(&before)).cloned().collect();
        for path in inside {
            self.nodes.remove(&path);
        }
    }

    /// All files and symlinks, sorted by name, each with its size. A symlink has size 0, because its file
    /// is counted.
    pub(super) fn files(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File { size, .. } => Some((path.as_slice(), *size)),
            Node::Symlink(_) => Some((path.as_slice(), 0)),
            Node::Dir | Node::Other => None,
        })
    }

    /// Where the bytes of a name are. All its parents must be directories. The name itself may be a symlink
    /// that leads, directly or through others, to a file of the image.
    pub(super) fn origin(&self, path: &[u8]) -> Result<LayerEntry, String> {
        for (index, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if !matches!(self.nodes.get(&path[..index]), None | Some(Node::Dir)) {
                let (path, above) = (text(path), text(&path[..index]));
                return Err(format!("`{path}` is below `{above}`, which is not a directory"));
            }
        }
        self.follow(path).ok_or_else(|| {
            format!("`{}` is a symlink that leads to no file of the image", text(path))
        })
    }

    fn follow(&self, path: &[u8]) -> Option<LayerEntry> {
        let mut at: Vec<Vec<u8>> = Vec::new();
        let mut todo = parts(path);
        let mut symlinks = 0;
        while let Some(part) = todo.pop() {
            if part == b".." {
                at.pop();
                continue;
            }
            at.push(part);
            if let Some(Node::Symlink(target)) = self.nodes.get(&at.join(&b'/')) {
                symlinks += 1;
                if symlinks > MAX_SYMLINKS {
                    return None;
                }
                if target.starts_with(b"/") {
                    at.clear()
                } else {
                    drop(at.pop())
                }
                todo.extend(parts(target));
            }
        }
        match self.nodes.get(&at.join(&b'/'))? {
            Node::File { origin, .. } => Some(*origin),
            _ => None,
        }
    }
}

impl Change {
    /// Records a whiteout, a name that removes another. False if the name is an ordinary one.
    fn takes_away(&mut self, path: &[u8]) -> bool {
        let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (above, name) = path.split_at(at);
        let above_plain = above.strip_suffix(b"/").unwrap_or(above);
        match name.strip_prefix(b".wh.") {
            Some(b".wh..opq") => self.opaque.push(above_plain.to_vec()),
            // Storage drivers use further names of this form.
            Some(hidden) if hidden.starts_with(b".wh.") => {}
            Some(hidden) => self.removed.push([above, hidden].concat()),
            None => return false,
        }
        true
    }
}

/// The prefix of the names below a directory; empty for the root.
fn below(path: &[u8]) -> Vec<u8> {
    if path.is_empty() { Vec::new() } else { [path, b"/"].concat() }
}

/// The parts of a path, the last part first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty() && *part != b".").rev().map(<[u8]>::to_vec).collect()
}

/// A name without `.` and without slashes at its ends. A name with `..` is refused.
fn plain(path: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut parts = parts(path);
    if parts.iter().any(|part| part == b"..") {
        return Err(invalid(format!("a layer has the forbidden name `{}`", text(path))));
    }
    parts.reverse();
    Ok(parts.join(&b'/'))
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
