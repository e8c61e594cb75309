//! What has lain in the store for longer than its retention.

use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::sweep::Amount;

use crate::store::{ContextStore, retention::UNFINISHED_AFTER};

/// How many are removed at once.
const AT_ONCE: usize = 8;

/// What was removed, or would be, and what stays.
#[derive(Debug, Default, PartialEq)]
pub struct Aged {
    /// What was removed.
    pub removed: Amount,
    /// What stays.
    pub kept: Amount,
}

/// Removes everything under a prefix that is older than its retention.
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
        // What is of the future has no age.
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

/// Removes what puts under these prefixes left when they were cut off, and says how many.
pub async fn tidy(
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
