//! A directory of a source as a `.tar.gz`, straight from the object database: there is no checkout.
//!
//! The same trees make the same bytes, on every machine: git's order, no times, no owners, modes
//! 644 and 755, names too long for a header in GNU's way.
//!
//! It lies below [`ROOT`] in the archive. Kaniko unpacks what it fetched from a bucket beside the
//! archive and leaves that there: `COPY .` would put it, and in it all that `.dockerignore` leaves
//! out, into the image. And the directory has a mode of its own so, where Kaniko would give it 750.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use flate2::{Compression, write::GzEncoder};
use kilnworks_workflows::{failure::FailureType, names, steps::UploadInput};
use tar::{Builder, EntryType, Header};
use tokio_util::sync::CancellationToken;

use crate::{
    blocking::go_on,
    error::fail,
    lfs::Pointer,
    source::tree::{Entry, Kind, Tree},
};

/// Part of every key. To be raised when the same trees no longer make the same bytes.
const FORMAT: u32 = 2;

/// The directory of the archive that is the context.
pub const ROOT: &str = "context";

/// The content key of a context: made of ids of trees alone, so that it costs no packing. A
/// submodule's commit says nothing of where it came from, but its tree does of what is in it.
pub fn key(tree: &Tree, context: &Entry, lfs: bool) -> String {
    let mut content = format!("context {FORMAT}\nlfs {lfs}\n{}\n", context.id).into_bytes();
    for (path, id) in tree.grafts_in(context) {
        content.extend_from_slice(id.to_string().as_bytes());
        content.push(b' ');
        content.extend_from_slice(path);
        content.push(0);
    }
    names::hex(&content)
}

/// Where the contents of Git LFS pointer files are, by the digest in the pointer; none where
/// pointer files are a fault.
pub type Large = Option<BTreeMap<String, PathBuf>>;

/// Packs a directory into a file. A file of the source is read into memory as a whole, one at a
/// time, as libgit2 does no other; nothing else grows with the source.
pub fn pack(
    tree: &Tree,
    context: &Entry,
    large: &Large,
    into: &mut File,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let gzip = GzEncoder::new(BufWriter::new(into), Compression::fast());
    let mut packer = Packer {
        tree,
        prefix: if context.path.is_empty() { 0 } else { context.path.len() + 1 },
        large,
        archive: Builder::new(gzip),
        pointers: Vec::new(),
    };
    packer.append(EntryType::Directory, 0o755, Path::new(""), 0, &mut std::io::empty())?;
    tree.walk(context, &mut |entry| {
        go_on(cancel)?;
        packer.add(entry)
    })?;
    packer.finish()
}

struct Packer<'a, W: Write> {
    tree: &'a Tree,
    /// Length of what a path has before its place in the context.
    prefix: usize,
    large: &'a Large,
    archive: Builder<GzEncoder<W>>,
    /// Pointer files that are a fault.
    pointers: Vec<String>,
}

impl<W: Write> Packer<'_, W> {
    fn add(&mut self, entry: &Entry) -> anyhow::Result<()> {
        let name = &entry.path[self.prefix..];
        // git itself never writes such an entry. Others do.
        if name.split(|byte| *byte == b'/').any(|part| part.eq_ignore_ascii_case(b".git")) {
            return Ok(());
        }
        let path = Path::new(std::ffi::OsStr::from_bytes(name));
        let shown = path.display();
        match entry.kind {
            Kind::Dir | Kind::Link => {
                let mut slashed = path.as_os_str().to_owned();
                slashed.push("/");
                self.append(
                    EntryType::Directory,
                    0o755,
                    Path::new(&slashed),
                    0,
                    &mut std::io::empty(),
                )
            }
            Kind::Symlink => self.symlink(entry, path),
            Kind::File { executable } => {
                self.file(entry, path, if executable { 0o755 } else { 0o644 })
            }
        }
        .with_context(|| format!("cannot pack `{shown}`"))
    }

    fn file(&mut self, entry: &Entry, path: &Path, mode: u32) -> anyhow::Result<()> {
        let content = self.content(entry)?;
        let Some(pointer) = Pointer::parse(&content) else {
            return self.append(
                EntryType::Regular,
                mode,
                path,
                content.len() as u64,
                &mut &content[..],
            );
        };
        let Some(large) = self.large else {
            self.pointers.push(path.display().to_string());
            return Ok(());
        };
        let file = large.get(&pointer.digest).context("its Git LFS object was not fetched")?;
        let mut file = File::open(file).context("cannot read its Git LFS object")?;
        self.append(EntryType::Regular, mode, path, pointer.size, &mut file)
    }

    fn symlink(&mut self, entry: &Entry, path: &Path) -> anyhow::Result<()> {
        let target = self.content(entry)?;
        let target = Path::new(std::ffi::OsStr::from_bytes(&target));
        let mut header = header(EntryType::Symlink, 0o777, 0);
        Ok(self.archive.append_link(&mut header, Path::new(ROOT).join(path), target)?)
    }

    fn content(&self, entry: &Entry) -> anyhow::Result<Vec<u8>> {
        Ok(self.tree.read(entry, usize::MAX)?.unwrap_or_default())
    }

    fn append(
        &mut self,
        kind: EntryType,
        mode: u32,
        path: &Path,
        size: u64,
        content: &mut dyn Read,
    ) -> anyhow::Result<()> {
        let mut header = header(kind, mode, size);
        Ok(self.archive.append_data(&mut header, Path::new(ROOT).join(path), content)?)
    }

    fn finish(self) -> anyhow::Result<()> {
        if !self.pointers.is_empty() {
            return Err(pointers_fault(&self.pointers));
        }
        let gzip = self.archive.into_inner().context("cannot end the archive")?;
        let mut file = gzip.finish().context("cannot end the archive")?;
        file.flush().context("cannot write the archive")
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
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
        "the context holds Git LFS pointer files in place of contents: {}{more}; `lfs: true` fetches the contents",
        named.join(", ")
    );
    fail(FailureType::InvalidSpec, message)
}

/// The directory that an upload packs.
pub fn context(tree: &Tree, input: &UploadInput) -> anyhow::Result<Entry> {
    crate::render::context(tree, &input.context_dir, &input.commit)
}
