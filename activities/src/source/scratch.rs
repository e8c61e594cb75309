//! Files that no step keeps after its end.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use tempfile::{NamedTempFile, TempDir};

/// Age at which a file belongs to no step any more: no step takes this long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// An empty file that is deleted when it is dropped.
pub fn file(dir: &Path) -> anyhow::Result<NamedTempFile> {
    NamedTempFile::new_in(dir).context("cannot make a file in the cache directory")
}

/// An empty directory that is deleted when it is dropped.
pub fn dir(dir: &Path) -> anyhow::Result<TempDir> {
    TempDir::new_in(dir).context("cannot make a directory in the cache directory")
}

/// Deletes what killed workers left.
pub fn sweep(dir: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(dir).context("cannot list the cache directory")?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let changed = fs::metadata(&path).and_then(|found| found.modified());
        let age = changed.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age > ABANDONED) {
            // Another worker may have deleted it a moment ago.
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    }
    Ok(())
}
