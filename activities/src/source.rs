//! `fetch_source`, and what the later steps read: a source at a commit.
//!
//! The mirrors on this machine's disk are a cache. A step that finds its commit missing fetches it
//! again, so that any worker can do any step.

pub mod address;
pub mod cache;
pub mod classify;
pub mod credentials;
pub mod known_hosts;
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

/// Where sources are fetched to, and with which Secrets.
#[derive(Clone)]
pub struct Sources {
    dir: PathBuf,
    max_bytes: u64,
    secrets: Secrets,
    /// Who asks for the same revision, with the same credentials, is answered together.
    asked: Arc<Together<(Origin, Option<String>), String>>,
}

impl Sources {
    /// Opens a cache directory, which is made where it is missing.
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

    /// Directory of files that live no longer than a step.
    pub fn scratch(&self) -> PathBuf {
        self.dir.join("scratch")
    }

    /// Finds the commit of a revision, and fetches it with its submodules. It asks the server each
    /// time, but for a full commit id that is here already.
    pub async fn fetch(&self, source: &GitSource) -> anyhow::Result<String> {
        let origin = self.origin(source).await?;
        let (revision, max_bytes) = (source.revision.clone(), self.max_bytes);
        let asked = (origin.clone(), revision.clone());
        self.asked.ask(asked, || fetch(origin, revision, max_bytes)).await
    }

    /// A source at a commit that an earlier step resolved. Nothing is fetched before it is read.
    pub async fn ensure(&self, source: &GitSource, commit: &str) -> anyhow::Result<Snapshot> {
        let commit = revision::full_id(commit).ok_or_else(|| {
            fail(FailureType::RevisionNotFound, format!("`{commit}` is no commit id"))
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
    /// Reads the source, on a thread of its own. What is missing is fetched first. If the mirror
    /// turns out to be damaged, it is fetched anew and read once more: `look` may run twice.
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

    /// Address and credentials, for what lies beside the repository on its server.
    pub fn origin(&self) -> (&Address, &Credentials) {
        (&self.origin.address, &self.origin.credentials)
    }
}

/// Where a source is, and what it is shown. Two are the same where all of their Secret is.
#[derive(Clone, PartialEq)]
struct Origin {
    address: Address,
    credentials: Credentials,
    submodules: bool,
    mirrors: PathBuf,
}

impl Origin {
    /// Runs `work`; if it finds a mirror damaged, removes the mirrors it reached and runs it again.
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
        // What fails twice is this machine's trouble, such as a full disk; another worker may do.
        work(&reach).map_err(|error| match is_damage(&error) {
            true => classed(FailureType::SourceUnavailable, error),
            false => own_disk(error),
        })
    }
}

/// The mirrors and servers that one piece of work reaches.
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

    /// Has a commit in a mirror, and says which tree it has.
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
