//! A mirror: a bare repository on this machine's disk, one per URL and Secret. It is a cache that may
//! disappear at any time. Two workers may share it.
//!
//! Beside the directory `<name>` are two locks. Readers and fetchers hold `<name>.use` shared, and
//! whoever deletes the mirror holds it alone; its modification time is the last use of the mirror.
//! A fetcher also holds `<name>.fetch`. Readers need no more, because a fetch only adds packs.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;
use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions};
use kilnworks_workflows::names;
use tokio_util::sync::CancellationToken;

use super::{
    address::Address,
    lock::{Hold, lock},
};

/// A mirror in use. Nobody deletes the mirror before this is dropped.
pub struct Mirror {
    /// The bare repository.
    pub repo: Repository,
    /// The repository that it mirrors.
    pub address: Address,
    path: PathBuf,
    _in_use: File,
}

impl Mirror {
    /// Path of the mirror of a URL, fetched with the login of a Secret or without one.
    pub fn path(mirrors: &Path, address: &Address, secret: &str) -> PathBuf {
        let name = names::hex(format!("{}\n{secret}", address.url).as_bytes());
        mirrors.join(&name[..40])
    }

    /// Opens a mirror. It is created empty if it does not exist.
    pub fn open(
        path: &Path,
        address: &Address,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let in_use = lock(&path.with_extension("use"), Hold::Shared, cancel)?;
        in_use.set_modified(SystemTime::now()).context("cannot mark a mirror as used")?;
        let repo = match Repository::open_bare(path) {
            Ok(repo) => repo,
            // The mirror is damaged. The caller deletes it once nobody uses it.
            Err(error) if path.exists() => return Err(error).context("cannot open a mirror"),
            Err(_) => {
                let _fetching = lock(&path.with_extension("fetch"), Hold::Alone, cancel)?;
                init(path)?
            }
        };
        Ok(Self { repo, address: address.clone(), path: path.to_owned(), _in_use: in_use })
    }

    /// Waits until nobody else fetches into this mirror. Another fetch may have brought the commit.
    pub fn alone(&self, cancel: &CancellationToken) -> anyhow::Result<File> {
        lock(&self.path.with_extension("fetch"), Hold::Alone, cancel)
    }

    /// The tree of a commit, if the mirror has it. The id may also be that of an annotated tag.
    pub fn tree_of(&self, commit: Oid) -> Result<Option<Oid>, git2::Error> {
        let found = self.repo.find_object(commit, None).and_then(|object| object.peel_to_commit());
        match found {
            Ok(commit) => self.repo.find_tree(commit.tree_id()).map(|tree| Some(tree.id())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Creates an empty mirror in place of what is there, unless another worker has just done so.
fn init(path: &Path) -> anyhow::Result<Repository> {
    if let Ok(repo) = Repository::open_bare(path) {
        return Ok(repo);
    }
    let new = path.with_extension("new");
    remove_dir(&new)?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false);
    let repo = Repository::init_opts(&new, &options).context("cannot make a mirror")?;
    let mut config = repo.config().context("cannot configure a mirror")?;
    // A redirect to another host would get the credentials: see `Server::fetch`.
    config.set_bool("http.followRedirects", false).context("cannot configure a mirror")?;
    // The rename makes the mirror appear complete.
    fs::rename(&new, path).context("cannot make a mirror")?;
    Repository::open_bare(path).context("cannot open a new mirror")
}

/// Deletes a damaged mirror once nobody uses it.
pub fn discard(path: &Path, cancel: &CancellationToken) -> anyhow::Result<()> {
    let _in_use = lock(&path.with_extension("use"), Hold::Alone, cancel)?;
    remove_dir(path)
}

/// Deletes a directory that may not exist.
pub fn remove_dir(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}
