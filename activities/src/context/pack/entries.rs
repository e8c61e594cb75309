//! Writes the entries of the archive.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, empty},
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::Context;
use kilnworks_workflows::{bounds, failure::FailureType};
use tar::{Builder, EntryType, Header};

use super::{Large, ROOT, members::Members, plan::Visit};
use crate::{
    error::fail,
    source::{
        lfs::Pointer,
        tree::{Entry, Kind, MAX_PATH, Tree},
    },
};

/// A larger file is packed while this process packs no other large file, because each is in memory
/// as a whole. Waiting cannot deadlock: the holder of the lock has a core already.
const ALONE: u64 = 64 * 1024 * 1024;

static ALONE_NOW: Mutex<()> = Mutex::new(());

/// Never shown: [`super::sections::of`] has checked the size before.
const UNBOUNDED: &str = "its size is over the bound";

/// Writes entries and the ends of sections.
pub(super) struct Packer<'a, 'b> {
    tree: &'a Tree,
    large: &'a Large,
    archive: Builder<&'a mut Members<'b>>,
    /// The pointer files found, if pointer files are an error.
    pointers: Vec<String>,
}

impl<'a, 'b> Packer<'a, 'b> {
    pub(super) fn new(tree: &'a Tree, large: &'a Large, members: &'a mut Members<'b>) -> Self {
        Self { tree, large, archive: Builder::new(members), pointers: Vec::new() }
    }

    pub(super) fn see(&mut self, seen: Visit<'_>) -> anyhow::Result<()> {
        match seen {
            Visit::Entry(entry, name) => {
                let path = Path::new(OsStr::from_bytes(name));
                let shown = path.display();
                self.add(entry, path).with_context(|| format!("cannot pack `{shown}`"))
            }
            Visit::End { last } => {
                if last {
                    self.archive.finish().context("cannot end the archive")?;
                }
                self.archive.get_mut().end().context("cannot write the archive")
            }
        }
    }

    /// Fails if there were pointer files.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self.pointers.is_empty() {
            true => Ok(()),
            false => Err(pointers_fault(&self.pointers)),
        }
    }

    fn add(&mut self, entry: &Entry, path: &Path) -> anyhow::Result<()> {
        match entry.kind {
            Kind::Dir | Kind::Link => {
                let mut slashed = Path::new(ROOT).join(path).into_os_string();
                if !path.as_os_str().is_empty() {
                    slashed.push("/");
                }
                let mut header = header(EntryType::Directory, 0o755, 0);
                Ok(self.archive.append_data(&mut header, slashed, empty())?)
            }
            Kind::Symlink => self.symlink(entry, path),
            Kind::File { executable } => {
                self.file(entry, path, if executable { 0o755 } else { 0o644 })
            }
        }
    }

    fn file(&mut self, entry: &Entry, path: &Path, mode: u32) -> anyhow::Result<()> {
        let is_large = self.tree.size(entry)? > ALONE;
        let _alone = is_large.then(|| ALONE_NOW.lock().unwrap_or_else(PoisonError::into_inner));
        let (tree, most) = (self.tree, bounds::CONTEXT_FILE_BYTES as usize);
        let pointer = tree.look(entry, most, |mut content| match Pointer::parse(content) {
            Some(pointer) => Ok(Some(pointer)),
            None => self.append(mode, path, content.len() as u64, &mut content).map(|()| None),
        });
        let Some(pointer) = pointer?.context(UNBOUNDED)? else { return Ok(()) };
        let Some(large) = self.large else {
            self.pointers.push(path.display().to_string());
            return Ok(());
        };
        let file = large.get(&pointer.digest).context("its Git LFS object was not fetched")?;
        let mut file = File::open(file).context("cannot read its Git LFS object")?;
        self.append(mode, path, pointer.size, &mut file)
    }

    fn symlink(&mut self, entry: &Entry, path: &Path) -> anyhow::Result<()> {
        let target = self.tree.read(entry, MAX_PATH)?.context(UNBOUNDED)?;
        let target = Path::new(OsStr::from_bytes(&target));
        let mut header = header(EntryType::Symlink, 0o777, 0);
        Ok(self.archive.append_link(&mut header, Path::new(ROOT).join(path), target)?)
    }

    fn append(
        &mut self,
        mode: u32,
        path: &Path,
        size: u64,
        content: &mut dyn Read,
    ) -> anyhow::Result<()> {
        let mut header = header(EntryType::Regular, mode, size);
        Ok(self.archive.append_data(&mut header, Path::new(ROOT).join(path), content)?)
    }
}

/// A header without time and owner.
pub(crate) fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn pointers_fault(pointers: &[String]) -> anyhow::Error {
    let named: Vec<_> = pointers.iter().take(5).map(|path| format!("`{path}`")).collect();
    let more = match pointers.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "the context contains Git LFS pointer files instead of their contents: {}{more}; `lfs: true` fetches the contents",
        named.join(", ")
    );
    fail(FailureType::InvalidSpec, message)
}
