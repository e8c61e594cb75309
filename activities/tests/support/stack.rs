//! The local stack, for tests that need it. Without it they fail and say what to do.

#![allow(dead_code, unreachable_pub, reason = "not every test binary needs all of it")]

use std::path::PathBuf;

use kilnworks_workflows::plan::GitSource;

use super::{Repo, git, source};

/// A variable that the stack's `.local/env` sets.
pub fn of_stack(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make up` and source `.local/env`"))
}

/// A bare repository on the stack's servers, gone when the test ends.
pub struct Served {
    pub repo: Repo,
    /// From the root of all repositories.
    path: String,
}

impl Served {
    pub fn new(folder: &str) -> Self {
        let repo = Repo::new();
        let unique =
            repo.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
        let served = Self { repo, path: format!("{folder}{unique}.git") };
        let bare = served.bare();
        git(
            &PathBuf::from("/"),
            &["init", "--quiet", "--bare", "--initial-branch=main", bare.to_str().unwrap()],
        );
        served
    }

    pub fn bare(&self) -> PathBuf {
        PathBuf::from(of_stack("KILN_GIT_ROOT")).join(&self.path)
    }

    pub fn push(&self, path: &str, content: &str) -> String {
        let commit = self.repo.write(path, content).commit();
        self.repo.git(&["push", "--quiet", "--force", "--all", self.bare().to_str().unwrap()]);
        self.repo.git(&["push", "--quiet", "--tags", self.bare().to_str().unwrap()]);
        commit
    }

    pub fn web(&self, revision: Option<&str>) -> GitSource {
        source(&format!("{}/{}", of_stack("KILN_GIT_URL"), self.path), revision)
    }

    pub fn ssh(&self) -> GitSource {
        source(&format!("{}/{}", of_stack("KILN_GIT_SSH_URL"), self.path), None)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.bare());
    }
}
