//! Real repositories in temporary directories, and a cache to fetch them into.

#![allow(dead_code, unreachable_pub, reason = "not every test binary needs all of it")]

pub mod http;
pub mod recorder;
pub mod registries;
pub mod stack;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kilnworks_activities::{secrets::Secrets, source::Sources};
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    plan::GitSource,
};
use tempfile::TempDir;

/// A repository with a working tree.
pub struct Repo {
    dir: TempDir,
}

impl Repo {
    /// An empty one, on the branch `main`.
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let repo = Self { dir };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(self.path(), args)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn executable(&self, path: &str) -> &Self {
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub fn symlink(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.path().join(path)).unwrap();
        self
    }

    /// Commits everything and says as what.
    pub fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn source(&self, revision: Option<&str>) -> GitSource {
        source(self.path().to_str().unwrap(), revision)
    }
}

/// Runs git, without this machine's own settings.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let done = Command::new("git")
        .current_dir(dir)
        .args([
            "-c",
            "user.name=me",
            "-c",
            "user.email=me@example.com",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {args:?}: {error}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

pub fn source(url: &str, revision: Option<&str>) -> GitSource {
    GitSource {
        url: url.to_owned(),
        revision: revision.map(str::to_owned),
        secret: None,
        submodules: false,
    }
}

/// A cache of its own, without Secrets.
pub struct Cache {
    pub dir: TempDir,
    pub sources: Sources,
}

pub fn cache() -> Cache {
    cache_of(u64::MAX, Vec::new())
}

pub fn cache_of(max_bytes: u64, secrets: Vec<Secret>) -> Cache {
    let dir = TempDir::new().unwrap();
    let sources = Sources::open(dir.path(), max_bytes, Secrets::Given(secrets)).unwrap();
    Cache { dir, sources }
}

impl Cache {
    /// The mirrors that there are.
    pub fn mirrors(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join("mirrors")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    }

    /// What steps have left behind.
    pub fn scratch(&self) -> usize {
        fs::read_dir(self.dir.path().join("scratch")).unwrap().count()
    }
}

/// The public type and the message of a failed step.
pub fn failure<T>(outcome: anyhow::Result<T>) -> (FailureType, String) {
    let error = outcome.err().expect("the step should have failed");
    let failure = error.downcast_ref::<Failure>();
    let failure = failure.unwrap_or_else(|| panic!("no public type: {error:#}"));
    (failure.kind, failure.message.clone())
}

/// A Secret with the name `deploy`.
pub fn secret(kind: &str, hosts: &str, data: &[(&str, &str)]) -> Secret {
    let mut secret = Secret { type_: Some(format!("kubernetes.io/{kind}")), ..Secret::default() };
    let hosts = ("kiln.io/hosts".to_owned(), hosts.to_owned());
    secret.metadata.name = Some("deploy".to_owned());
    secret.metadata.annotations = Some(BTreeMap::from([hosts]));
    let entry =
        |(key, value): &(&str, &str)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()));
    secret.data = Some(data.iter().map(entry).collect());
    secret
}

/// The same source with the Secret `deploy`.
pub fn with_secret(source: GitSource) -> GitSource {
    GitSource { secret: Some("deploy".to_owned()), ..source }
}

/// Bytes that tell nothing of one another, the same for the same seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(bytes).collect()
}
