//! A public repository of one line, on the stack's git server.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    engine::variable,
    stack::{run, unique},
};

/// A repository with a working tree. It goes with this value.
pub(super) struct Repository {
    work: TempDir,
    bare: PathBuf,
    /// Where it is published.
    pub(super) url: String,
}

impl Repository {
    /// Publishes what `fill` puts into a directory, as the branch `main`.
    pub(super) fn of(fill: impl FnOnce(&Path)) -> Self {
        let name = unique("bench");
        let bare = Path::new(&variable("KILN_GIT_ROOT")).join(format!("{name}.git"));
        let work = tempfile::Builder::new().prefix("bench-").tempdir().expect("a directory");
        let url = format!("{}/{name}.git", variable("KILN_GIT_URL"));
        let repository = Self { work, bare, url };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        fill(repository.work.path());
        repository.save();
        let bare = repository.bare.to_str().expect("a path");
        repository.git(&["clone", "--quiet", "--bare", ".", bare]);
        // A forge serves packs. Looking for deltas would take longer than everything else here.
        let repack = ["repack", "-a", "-d", "--quiet", "--window=0"];
        run(Command::new("git").arg("-C").arg(bare).args(repack));
        repository.git(&["remote", "add", "origin", bare]);
        repository
    }

    /// Publishes these files.
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        Self::of(|directory| write(directory, files))
    }

    /// Changes files, as one more commit, and gives its id.
    pub(super) fn change(&self, files: &[(&str, &str)]) -> String {
        write(self.work.path(), files);
        let commit = self.save();
        self.git(&["push", "--quiet", "origin", "main"]);
        commit
    }

    /// The commit that the branch is.
    pub(super) fn commit(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Bytes of a directory as an archive, packed as fast as it can be.
    pub(super) fn packed(&self, directory: &str) -> u64 {
        let script = r#"git archive "HEAD:$0" | gzip -1 | wc -c"#;
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", script, directory]).current_dir(self.work.path());
        run(&mut shell).trim().parse().expect("a number")
    }

    fn save(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "files"]);
        self.commit()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let settings = [
            "user.name=Bench",
            "user.email=bench@example.com",
            "core.looseCompression=1",
            "gc.auto=0",
        ];
        let mut git = Command::new("git");
        git.args(settings.iter().flat_map(|setting| ["-c", setting]));
        run(git.args(arguments).current_dir(self.work.path())).trim().to_owned()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.bare);
    }
}

/// Writes files below a directory.
pub(super) fn write(directory: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }
}
