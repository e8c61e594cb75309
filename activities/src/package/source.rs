//! Reads the files of a source for a package.

use kilnworks_workflows::failure::FailureType;
use tokio_util::sync::CancellationToken;

use crate::{
    error::fail,
    source::{
        directory::some_files,
        lfs::Pointer,
        tree::{Entry, Kind, Tree, over},
    },
};

/// A source at a commit.
#[derive(Clone, Copy)]
pub(super) struct SourceFiles<'a> {
    pub(super) tree: &'a Tree,
    pub(super) commit: &'a str,
    pub(super) cancel: &'a CancellationToken,
}

/// A file, and its path below its directory.
pub(super) struct SourceFile {
    pub(super) path: String,
    pub(super) entry: Entry,
}

impl SourceFiles<'_> {
    /// The entry at a path, which must exist.
    pub(super) fn find(&self, path: &str) -> anyhow::Result<Entry> {
        self.tree.find(path)?.ok_or_else(|| self.missing(path))
    }

    fn missing(&self, path: &str) -> anyhow::Error {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let seen = self.tree.find(directory).ok().flatten();
        let seen = seen.filter(|entry| entry.kind == Kind::Dir);
        let seen = some_files(self.tree, &seen.unwrap_or_else(|| self.tree.root()));
        let commit = self.commit;
        let message = format!("there is no `{path}` at the commit `{commit}`; there are {seen}");
        fail(FailureType::RevisionNotFound, message)
    }

    /// All files below a directory, except those that `skip` excludes by path and by whether it is a
    /// directory. A symlink counts as the file that it leads to. More than `most` files are a failure.
    pub(super) fn below(
        &self,
        dir: &Entry,
        most: usize,
        skip: &dyn Fn(&str, bool) -> bool,
    ) -> anyhow::Result<Vec<SourceFile>> {
        let mut found = Vec::new();
        let prefix = if dir.path.is_empty() { 0 } else { dir.path.len() + 1 };
        self.tree.walk_some(dir, self.cancel, &mut |entry| {
            let path = utf8(entry, prefix)?;
            if skip(path, entry.kind == Kind::Dir) {
                return Ok(false);
            }
            let file = match entry.kind {
                Kind::Dir => return Ok(true),
                Kind::File { .. } => entry.clone(),
                Kind::Symlink => self.follow(entry)?,
                Kind::Link => return Err(self.not_fetched(entry)),
            };
            found.push(SourceFile { path: path.to_owned(), entry: file });
            match found.len() > most {
                true => Err(over(&dir.path, found.len(), "files below it", most)),
                false => Ok(false),
            }
        })?;
        Ok(found)
    }

    fn not_fetched(&self, entry: &Entry) -> anyhow::Error {
        let what = "is a submodule; fetch it with `submodules: true`";
        fail(FailureType::RevisionNotFound, format!("`{}` {what}", shown(entry)))
    }

    fn follow(&self, link: &Entry) -> anyhow::Result<Entry> {
        let target = self.tree.find(&shown(link))?;
        target.filter(|target| matches!(target.kind, Kind::File { .. })).ok_or_else(|| {
            let what = "is a symlink that leads to no file of the source";
            fail(FailureType::InvalidSpec, format!("`{}` {what}", shown(link)))
        })
    }

    /// The content of a file, at most `max` bytes.
    pub(super) fn content(&self, entry: &Entry, max: usize) -> anyhow::Result<Vec<u8>> {
        let invalid =
            |what: &str| fail(FailureType::InvalidSpec, format!("`{}` {what}", shown(entry)));
        match entry.kind {
            Kind::File { .. } => {}
            Kind::Link => return Err(self.not_fetched(entry)),
            _ => return Err(invalid("is not a file")),
        }
        let Some(content) = self.tree.read(entry, max)? else {
            return Err(invalid(&format!("has more than {} KiB", max / 1024)));
        };
        match Pointer::parse(&content) {
            Some(_) => Err(invalid(
                "is a Git LFS pointer file in place of a content, which is not fetched for a package",
            )),
            None => Ok(content),
        }
    }
}

/// The path of an entry, for a message.
pub(super) fn shown(entry: &Entry) -> String {
    String::from_utf8_lossy(&entry.path).into_owned()
}

/// The path of an entry without its first `prefix` bytes.
fn utf8(entry: &Entry, prefix: usize) -> anyhow::Result<&str> {
    std::str::from_utf8(&entry.path[prefix..]).map_err(|_| {
        let message = format!("the name `{}` is not UTF-8", shown(entry));
        fail(FailureType::InvalidSpec, message)
    })
}
