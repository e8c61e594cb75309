//! A source at a commit: `fetch_source` finds it, and later steps read it.
//!
//! The mirrors on this machine's disk are a cache. A step that does not find its commit in the cache
//! fetches it again, so any worker can run any step.

pub mod address;
pub mod cache;
pub mod classify;
pub mod credentials;
pub mod directory;
pub mod known_hosts;
pub mod lfs;
pub mod lock;
pub mod mirror;
pub mod remote;
pub mod revision;
pub mod scratch;
pub mod submodules;
mod together;
pub mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use git2::Oid;
use kilnworks_workflows::{failure::FailureType, plan::GitSource};
use tokio_util::sync::CancellationToken;

use self::{
    address::Address, classify::is_damage, credentials::Credentials, mirror::Mirror,
    remote::Server, together::Together, tree::Tree,
};
use crate::{
    blocking::computing,
    error::{classed, fail, own_disk},
    secrets::Secrets,
};

/// The sources that this worker fetches, and its cache of them.
#[derive(Clone)]
pub struct Sources {
    dir: PathBuf,
    max_bytes: u64,
    secrets: Secrets,
    /// Answers several questions for the same revision, with the same credentials, at once.
    asked: Arc<Together<(Origin, Option<String>), String>>,
}

impl Sources {
    /// Opens a cache directory. It is created if it does not exist.
    pub fn open(dir: &Path, max_bytes: u64, secrets: Secrets) -> anyhow::Result<Self> {
        let sources = Self { dir: dir.to_owned(), max_bytes, secrets, asked: Arc::default() };
        for dir in [sources.mirrors(), sources.scratch()] {
            let shown = dir.display();
            fs::create_dir_all(&dir)
                .with_context(|| format!("cannot make the cache directory `{shown}`"))?;
        }
        scratch::sweep(&sources.scratch())?;
        Ok(sources)
    }

    fn mirrors(&self) -> PathBuf {
        self.dir.join("mirrors")
    }

    /// Directory of files that no step keeps after its end.
    pub fn scratch(&self) -> PathBuf {
        self.dir.join("scratch")
    }

    /// Finds the commit of a revision, and fetches it with its submodules. Asks the server each time,
    /// except for a full commit id that is in the cache.
    pub async fn fetch(&self, source: &GitSource) -> anyhow::Result<String> {
        let origin = self.origin(source).await?;
        let (revision, max_bytes) = (source.revision.clone(), self.max_bytes);
        let asked = (origin.clone(), revision.clone());
        self.asked.ask(asked, || fetch(origin, revision, max_bytes)).await
    }

    /// A source at a commit that an earlier step resolved. Nothing is fetched until it is read.
    pub async fn ensure(&self, source: &GitSource, commit: &str) -> anyhow::Result<Snapshot> {
        let commit = revision::full_id(commit).ok_or_else(|| {
            fail(FailureType::RevisionNotFound, format!("`{commit}` is not a commit id"))
        })?;
        Ok(Snapshot { origin: self.origin(source).await?, commit })
    }

    async fn origin(&self, source: &GitSource) -> anyhow::Result<Origin> {
        let address = Address::parse(&source.url)?;
        let credentials = match &source.secret {
            None => Credentials::default(),
            Some(name) => {
                let denied = FailureType::SourceDenied;
                let secret = self.secrets.read(name, &address.host, denied).await?;
                Credentials::of(secret, &address)?
            }
        };
        Ok(Origin { address, credentials, submodules: source.submodules, mirrors: self.mirrors() })
    }
}

async fn fetch(origin: Origin, revision: Option<String>, max_bytes: u64) -> anyhow::Result<String> {
    computing(move |cancel| {
        let commit = origin.repairing(cancel, |reach| {
            let mirror = reach.mirror(&origin.address)?;
            let server = reach.server(&mirror.address);
            let commit = revision::resolve(&mirror, &server, revision.as_deref())?;
            drop(mirror);
            reach.tree(commit)?;
            Ok(commit)
        })?;
        cache::shrink(&origin.mirrors, max_bytes)?;
        Ok(commit.to_string())
    })
    .await
}

/// A source at a commit.
#[derive(Clone)]
pub struct Snapshot {
    origin: Origin,
    commit: Oid,
}

impl Snapshot {
    /// Reads the source on a thread of its own, after fetching what is missing. If the mirror is
    /// damaged, this fetches it again and calls `look` a second time.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl Fn(&Tree, &CancellationToken) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let Self { origin, commit } = self.clone();
        computing(move |cancel| {
            origin.repairing(cancel, |reach| look(&reach.tree(commit)?, cancel))
        })
        .await
    }

    /// The address and credentials of the repository, for other services on its server.
    pub fn origin(&self) -> (&Address, &Credentials) {
        (&self.origin.address, &self.origin.credentials)
    }
}

/// Where a source is, and with which credentials. Two origins are equal only if their whole Secrets
/// are.
#[derive(Clone, PartialEq)]
struct Origin {
    address: Address,
    credentials: Credentials,
    submodules: bool,
    mirrors: PathBuf,
}

impl Origin {
    /// Runs `work`. If it finds a damaged mirror, deletes the mirrors it used and runs it again.
    fn repairing<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Fn(&Reach<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let reach = Reach { origin: self, cancel, reached: Default::default() };
        let error = match work(&reach) {
            Err(error) if is_damage(&error) => error,
            done => return done.map_err(own_disk),
        };
        tracing::warn!(url = self.address.url, "fetching anew, as a mirror is damaged: {error:#}");
        for path in reach.reached.take() {
            mirror::discard(&path, cancel)?;
        }
        // A second failure is a problem of this machine, such as a full disk. Another worker may succeed.
        work(&reach).map_err(|error| match is_damage(&error) {
            true => classed(FailureType::SourceUnavailable, error),
            false => own_disk(error),
        })
    }
}

/// Opens mirrors and servers, and remembers which mirrors it has opened.
pub struct Reach<'a> {
    origin: &'a Origin,
    cancel: &'a CancellationToken,
    reached: std::cell::RefCell<Vec<PathBuf>>,
}

impl Reach<'_> {
    /// Opens the mirror of a repository.
    pub fn mirror(&self, address: &Address) -> anyhow::Result<Mirror> {
        let secret = self.origin.credentials.name_for(address);
        let path = Mirror::path(&self.origin.mirrors, address, secret);
        self.reached.borrow_mut().push(path.clone());
        Mirror::open(&path, address, self.cancel)
    }

    /// Fetches a commit into a mirror if it is missing, and returns the commit's tree.
    pub fn ensure(&self, mirror: &Mirror, commit: Oid) -> anyhow::Result<Oid> {
        revision::ensure(mirror, &self.server(&mirror.address), commit)
    }

    fn server<'b>(&'b self, address: &'b Address) -> Server<'b> {
        let login = self.origin.credentials.login_for(address);
        Server::new(address, login, self.cancel)
    }

    fn tree(&self, commit: Oid) -> anyhow::Result<Tree> {
        let mirror = self.mirror(&self.origin.address)?;
        let root = self.ensure(&mirror, commit)?;
        let mut tree = Tree::new(mirror, root);
        if self.origin.submodules {
            let root = tree.root();
            submodules::graft(&mut tree, self, &root, 0)?;
        }
        Ok(tree)
    }
}
