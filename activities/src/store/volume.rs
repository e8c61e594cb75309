//! A shared volume as the store: a directory that the worker and the Pods both mount.

use std::{
    fs::{self, File, Permissions},
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;
use async_trait::async_trait;
use kilnworks_workflows::failure::FailureType;
use walkdir::WalkDir;

use super::{ContextStore, Location, MAX_READ, Origin, Piece, Stored, Unfinished};
use crate::{
    blocking::blocking,
    error::{classed, fail},
    settings::VolumeMount,
};

/// A directory, and how Pods mount its volume.
pub struct VolumeStore {
    dir: PathBuf,
    mount: VolumeMount,
}

impl VolumeStore {
    /// Opens the directory, which must exist: a volume that is not mounted is not an empty store.
    pub fn open(dir: &Path, mount: VolumeMount) -> anyhow::Result<Self> {
        if !dir.is_dir() {
            let message = format!(
                "the store's directory `{}` (KILN_VOLUME_DIR) is not there; is its volume mounted?",
                dir.display()
            );
            return Err(fail(FailureType::StoreUnavailable, message));
        }
        Ok(Self { dir: dir.to_owned(), mount })
    }

    /// Path of a key, always below the directory.
    fn path(&self, key: &str) -> anyhow::Result<PathBuf> {
        let path = Path::new(key);
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if key.is_empty() || !is_plain {
            return Err(fail(FailureType::Internal, format!("`{key}` is not a key")));
        }
        Ok(self.dir.join(path))
    }

    /// Runs `work` with the path of a key.
    async fn run<T: Send + 'static>(
        &self,
        what: &str,
        key: &str,
        work: impl FnOnce(&Path) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let path = self.path(key)?;
        let done = blocking(move |_| work(&path)).await;
        done.with_context(|| format!("cannot {what} `{key}` in the shared volume"))
            .map_err(|error| classed(FailureType::StoreUnavailable, error))
    }

    /// The files below a prefix whose names match.
    async fn list(&self, prefix: &str, matches: fn(&str) -> bool) -> anyhow::Result<Vec<Stored>> {
        let root = self.dir.clone();
        let list = move |path: &Path| {
            let mut found = Vec::new();
            for entry in WalkDir::new(path).sort_by_file_name() {
                let entry = match entry {
                    // Other workers put and delete files at the same time.
                    Err(error) if error.io_error().is_some_and(is_missing) => continue,
                    entry => entry.context("cannot list it")?,
                };
                if !entry.file_type().is_file() || !matches(&entry.file_name().to_string_lossy()) {
                    continue;
                }
                let key = entry.path().strip_prefix(&root).context("it is under the root")?;
                match fs::metadata(entry.path()) {
                    Ok(meta) => found.push(stored(key.display().to_string(), &meta)?),
                    Err(error) if is_missing(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(found)
        };
        self.run("list", prefix, list).await
    }
}

#[async_trait]
impl ContextStore for VolumeStore {
    async fn find(&self, key: &str) -> anyhow::Result<Option<Stored>> {
        let name = key.to_owned();
        self.run("find", key, move |path| match fs::metadata(path) {
            Ok(found) => Ok(Some(versioned(name, &found)?)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    async fn list(&self, prefix: &str) -> anyhow::Result<Vec<Stored>> {
        self.list(prefix, |name| !is_unfinished(name)).await
    }

    async fn put(&self, key: &str, file: &Path) -> anyhow::Result<Stored> {
        let (file, name) = (file.to_owned(), key.to_owned());
        self.run("store", key, move |path| {
            let mut from = open(&file)?;
            let put = put(path, |to| copy(&mut from, to))?;
            versioned(name, &put)
        })
        .await
    }

    async fn compose(
        &self,
        key: &str,
        file: &Path,
        origin: &Origin,
        pieces: &[Piece],
    ) -> anyhow::Result<Stored> {
        let (file, name) = (file.to_owned(), key.to_owned());
        let (earlier, version) = (self.path(&origin.key)?, origin.version.clone());
        let pieces = pieces.to_owned();
        self.run("compose", key, move |path| {
            let (own, earlier) = (open(&file)?, File::open(earlier).context("an earlier one")?);
            anyhow::ensure!(version_of(&earlier.metadata()?)? == version, "it has changed");
            let put = put(path, |to| join(own, earlier, &pieces, to))?;
            versioned(name, &put)
        })
        .await
    }

    async fn write(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
        let put = move |path: &Path| put(path, |to| copy(&mut bytes.as_slice(), to)).map(drop);
        self.run("store", key, put).await
    }

    async fn read(&self, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.run("read", key, read).await
    }

    async fn delete(&self, key: &str) -> anyhow::Result<()> {
        self.run("delete", key, delete).await
    }

    async fn unfinished(
        &self,
        prefix: &str,
        before: SystemTime,
    ) -> anyhow::Result<Vec<Unfinished>> {
        let files = self.list(prefix, is_unfinished).await?;
        let old = files.into_iter().filter(|file| file.modified < before);
        Ok(old.map(|file| Unfinished { id: file.key.clone(), key: file.key }).collect())
    }

    async fn discard(&self, unfinished: &Unfinished) -> anyhow::Result<()> {
        self.delete(&unfinished.key).await
    }

    fn url(&self, key: &str) -> String {
        format!("file://{}", self.dir.join(key).display())
    }

    fn location(&self, key: &str) -> Location {
        let (dir, file) = key.rsplit_once('/').unwrap_or(("", key));
        Location::Volume { volume: self.mount.clone(), dir: dir.to_owned(), file: file.to_owned() }
    }
}

/// Writes a file. Its name appears once all bytes are on the disk, so no reader sees half a file.
fn put(
    path: &Path,
    write: impl FnOnce(&mut File) -> anyhow::Result<()>,
) -> anyhow::Result<fs::Metadata> {
    let dir = path.parent().context("a key has a directory")?;
    fs::create_dir_all(dir).context("cannot make its directory")?;
    let mut new = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(dir)
        .context("cannot make a file")?;
    write(new.as_file_mut())?;
    // The executor may have another user id at the file server than the worker.
    new.as_file()
        .set_permissions(Permissions::from_mode(0o644))
        .context("cannot let others read it")?;
    new.as_file().sync_all().context("cannot write it")?;
    let put = new.persist(path).context("cannot give it its name")?;
    File::open(dir).and_then(|dir| dir.sync_all()).context("cannot give it its name")?;
    // The metadata of this file, even if another worker has replaced it since.
    put.metadata().context("cannot find it")
}

fn open(file: &Path) -> anyhow::Result<File> {
    File::open(file).context("cannot open what is to be stored")
}

fn copy(from: &mut impl Read, to: &mut File) -> anyhow::Result<()> {
    std::io::copy(from, to).map(drop).context("cannot write it")
}

/// Writes pieces one after the other. The kernel or the file server copies them.
fn join(mut own: File, mut earlier: File, pieces: &[Piece], to: &mut File) -> anyhow::Result<()> {
    for piece in pieces {
        let (from, range) = match piece {
            Piece::Own(range) => (&mut own, range),
            Piece::Copied(range) => (&mut earlier, range),
        };
        from.seek(SeekFrom::Start(range.start)).context("cannot read a piece of it")?;
        let copied = std::io::copy(&mut from.take(piece.length()), to);
        let copied = copied.context("cannot write it")?;
        anyhow::ensure!(copied == piece.length(), "a piece of it ends too early");
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if is_missing(&error) => return Ok(None),
        opened => opened.context("cannot open it")?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_READ + 1).read_to_end(&mut bytes).context("cannot read it")?;
    anyhow::ensure!(bytes.len() as u64 <= MAX_READ, "it has more than {MAX_READ} bytes");
    Ok(Some(bytes))
}

/// Prefix of the names of temporary files.
const UNFINISHED: &str = ".tmp";

fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}

fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn stored(key: String, meta: &fs::Metadata) -> anyhow::Result<Stored> {
    Ok(Stored { key, size: meta.len(), modified: meta.modified()?, sha256: None, version: None })
}

fn versioned(key: String, meta: &fs::Metadata) -> anyhow::Result<Stored> {
    Ok(Stored { version: Some(version_of(meta)?), ..stored(key, meta)? })
}

/// No file changes after it gets its name.
fn version_of(meta: &fs::Metadata) -> anyhow::Result<String> {
    Ok(format!("{}-{}-{}.{:09}", meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// Deletes a file, and its directory if that is empty then.
fn delete(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_missing(&error) => return Err(error.into()),
        _ => {}
    }
    // This fails if the directory has another file.
    let _ = path.parent().map(fs::remove_dir);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{VolumeMount, VolumeStore};

    fn store(mount: VolumeMount) -> VolumeStore {
        VolumeStore { dir: "/srv/kiln".into(), mount }
    }

    #[test]
    fn no_key_escapes_the_directory() {
        let store = store(VolumeMount::Claim("kiln".to_owned()));
        for key in ["", "../x", "a/../../x", "/etc/passwd", "a/./../../x"] {
            assert!(store.path(key).is_err(), "{key}");
        }
        assert_eq!(store.path("a/b").unwrap().to_str(), Some("/srv/kiln/a/b"));
    }
}
