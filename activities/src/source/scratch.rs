//! Files that live no longer than a step.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use tempfile::{NamedTempFile, TempDir};

/// A file of this age is nobody's any more: no step takes so long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// An empty file that is removed when it is dropped.
pub fn file(dir: &Path) -> anyhow::Result<NamedTempFile> {
    NamedTempFile::new_in(dir).context("cannot make a file in the cache directory")
}

/// An empty directory that is removed when it is dropped.
pub fn dir(dir: &Path) -> anyhow::Result<TempDir> {
    TempDir::new_in(dir).context("cannot make a directory in the cache directory")
}

/// Removes what workers left that were killed.
pub fn sweep(dir: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(dir).context("cannot list the cache directory")?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let changed = fs::metadata(&path).and_then(|found| found.modified());
        let age = changed.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age > ABANDONED) {
            // Someone else may have swept it a moment ago.
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    }
    Ok(())
}
