//! Turns: of two steps of one worker that would make the same thing, the second finds what the first
//! has made.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

/// Whose turn it is, by key.
static TURNS: LazyLock<Mutex<HashMap<String, Weak<Lock<()>>>>> = LazyLock::new(Default::default);

/// Waits until no other step has this key. The turn ends when the guard is dropped.
pub(crate) async fn wait(key: &str) -> OwnedMutexGuard<()> {
    of(key).lock_owned().await
}

fn of(key: &str) -> Arc<Lock<()>> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
        return turn;
    }
    turns.retain(|_, turn| turn.strong_count() > 0);
    let turn = Arc::default();
    turns.insert(key.to_owned(), Arc::downgrade(&turn));
    turn
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_key_has_one_turn() {
        let first = wait("a").await;
        assert!(wait("a").now_or_never().is_none());
        assert!(wait("b").now_or_never().is_some());
        drop(first);
        assert!(wait("a").now_or_never().is_some());
    }
}
