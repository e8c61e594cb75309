//! Work that blocks a thread: libgit2, compression, locks on files.

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::error::fail;
use kilnworks_workflows::failure::FailureType;

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
