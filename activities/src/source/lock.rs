//! File locks. The operating system releases a lock when its holder dies.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::blocking::go_on;

/// Who else may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Others that hold it shared.
    Shared,
    /// Nobody.
    Alone,
}

/// Waits for a lock on a file, which is created if it does not exist. Closing the file releases it.
pub fn lock(path: &Path, hold: Hold, cancel: &CancellationToken) -> anyhow::Result<File> {
    loop {
        if let Some(file) = try_lock(path, hold)? {
            return Ok(file);
        }
        go_on(cancel)?;
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Takes a lock on a file, if nobody holds it.
pub fn try_lock(path: &Path, hold: Hold) -> anyhow::Result<Option<File>> {
    let shown = path.display();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open the lock `{shown}`"))?;
    let tried = match hold {
        Hold::Shared => file.try_lock_shared(),
        Hold::Alone => file.try_lock(),
    };
    match tried {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock `{shown}`"))
        }
    }
}
