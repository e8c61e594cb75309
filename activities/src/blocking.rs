//! Work that blocks a thread: libgit2, compression, locks on files.

use std::{sync::LazyLock, thread::available_parallelism};

use anyhow::Context;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::error::fail;
use kilnworks_workflows::failure::FailureType;

/// One for each core: more at once would only take more memory. Steps that wait for a server
/// meanwhile are no part of this, so there may be more of them.
static CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// Runs work that computes on a thread of its own, once a core is free for it: see [`blocking`]. It
/// must not wait for other such work.
pub async fn computing<T: Send + 'static>(
    work: impl FnOnce(&CancellationToken) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let _core = CORES.acquire().await.context("no core will be free")?;
    blocking(work).await
}

/// Cores for which nobody waits, at most so many, for work that computes and can use more than its
/// own. They are given back by dropping them.
pub fn spare_cores(most: usize) -> Vec<SemaphorePermit<'static>> {
    std::iter::from_fn(|| CORES.try_acquire().ok()).take(most).collect()
}

/// Runs blocking work on a thread of its own. When the caller is dropped, the work is told by the
/// token and must end soon: nobody waits for it any more, but it holds locks and files.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&CancellationToken) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let cancel = CancellationToken::new();
    let _dropped = cancel.clone().drop_guard();
    tokio::task::spawn_blocking(move || work(&cancel)).await.context("blocking work panicked")?
}

/// Ends blocking work that nobody waits for. Nobody sees this error either.
pub fn go_on(cancel: &CancellationToken) -> anyhow::Result<()> {
    if cancel.is_cancelled() {
        return Err(fail(FailureType::SourceUnavailable, "cancelled"));
    }
    Ok(())
}
