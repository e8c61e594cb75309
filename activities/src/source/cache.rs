//! Limits the disk space of the mirrors.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;
use walkdir::WalkDir;

use super::{
    lock::{Hold, try_lock},
    mirror::remove_dir,
};

/// Deletes the least recently used mirrors until the rest fits in `max_bytes`. Mirrors in use stay.
pub fn shrink(mirrors: &Path, max_bytes: u64) -> anyhow::Result<()> {
    let mut found = list(mirrors).context("cannot list the mirrors")?;
    found.sort_by_key(|mirror| mirror.used);
    let mut total: u64 = found.iter().map(|mirror| mirror.bytes).sum();
    for mirror in found {
        if total <= max_bytes {
            break;
        }
        let Some(_alone) = try_lock(&mirror.path.with_extension("use"), Hold::Alone)? else {
            continue;
        };
        remove_dir(&mirror.path)?;
        tracing::info!(mirror = %mirror.path.display(), bytes = mirror.bytes, "removed a mirror");
        total -= mirror.bytes;
    }
    Ok(())
}

struct Used {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

fn list(mirrors: &Path) -> io::Result<Vec<Used>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(mirrors)? {
        let path = entry?.path();
        if path.is_dir() {
            let marker = fs::metadata(path.with_extension("use"));
            let used = marker.and_then(|marker| marker.modified());
            found.push(Used {
                used: used.unwrap_or(SystemTime::UNIX_EPOCH),
                bytes: size(&path),
                path,
            });
        }
    }
    Ok(found)
}

/// A file that disappears meanwhile counts as zero.
fn size(path: &Path) -> u64 {
    let files = WalkDir::new(path).into_iter().flatten().flat_map(|entry| entry.metadata());
    files.filter(Metadata::is_file).map(|file| file.len()).sum()
}
