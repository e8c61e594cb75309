//! What is in the store for longer than its retention.

use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::steps::Amount;

use crate::store::{ContextStore, retention::UNFINISHED_AFTER};

/// How many are deleted at the same time.
const AT_ONCE: usize = 8;

/// What was deleted, or would be deleted in a dry run, and what stays.
#[derive(Debug, Default, PartialEq)]
pub struct Aged {
    /// What was deleted.
    pub removed: Amount,
    /// What stays.
    pub kept: Amount,
}

/// Deletes everything under a prefix that is older than its retention.
pub async fn remove(
    store: &dyn ContextStore,
    prefix: &str,
    keep: Duration,
    now: SystemTime,
    dry_run: bool,
) -> anyhow::Result<Aged> {
    let mut aged = Aged::default();
    let mut old = Vec::new();
    for stored in store.list(prefix).await? {
        // A time in the future counts as age zero.
        let age = now.duration_since(stored.modified).unwrap_or_default();
        match age > keep {
            true => {
                aged.removed.add(stored.size);
                old.push(stored.key);
            }
            false => aged.kept.add(stored.size),
        }
    }
    if !dry_run {
        let removing = old.into_iter().map(|key| async move { store.delete(&key).await });
        stream::iter(removing).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    }
    Ok(aged)
}

/// Discards the puts under these prefixes that were cut off, and returns how many there are.
pub async fn discard_unfinished(
    store: &dyn ContextStore,
    prefixes: &[&str],
    now: SystemTime,
    dry_run: bool,
) -> anyhow::Result<u64> {
    let before = now - UNFINISHED_AFTER;
    let mut count = 0;
    for prefix in prefixes {
        for one in store.unfinished(prefix, before).await? {
            count += 1;
            if !dry_run {
                store.discard(&one).await?;
            }
        }
    }
    Ok(count)
}
