//! Asks the same question once for all who ask it at the same moment.
//!
//! An answer that started before a question is too old for it, because the caller may know of a later
//! change. So a caller that comes while an answer is being worked out shares the next answer with
//! everyone who comes before that starts.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use anyhow::anyhow;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use kilnworks_workflows::failure::Failure;
use tokio::sync::Mutex as Turn;

/// The questions that are being asked, and their answers.
pub(super) struct Together<Q, A> {
    asked: Mutex<Vec<Asked<Q, A>>>,
}

/// An answer. The work goes on while at least one caller waits for it.
type Round<A> = Shared<BoxFuture<'static, Result<A, Arc<anyhow::Error>>>>;

/// The latest answer to a question.
struct Asked<Q, A> {
    question: Q,
    /// Held by the answer being worked out, so there is one at a time. Only rounds own it.
    turn: Weak<Turn<()>>,
    round: WeakShared<BoxFuture<'static, Result<A, Arc<anyhow::Error>>>>,
    begun: Arc<AtomicBool>,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self { asked: Mutex::default() }
    }
}

impl<Q: PartialEq, A: Clone> Together<Q, A> {
    /// Asks a question. Runs `work` unless another caller's work for it has not started yet; that is
    /// shared then. All callers that share the work get its error.
    pub(super) async fn ask<F>(&self, question: Q, work: impl FnOnce() -> F) -> anyhow::Result<A>
    where
        F: Future<Output = anyhow::Result<A>> + Send + 'static,
        A: Send + Sync + 'static,
    {
        let round = self.round(question, work);
        round.await.map_err(|error| same(&error))
    }

    fn round<F>(&self, question: Q, work: impl FnOnce() -> F) -> Round<A>
    where
        F: Future<Output = anyhow::Result<A>> + Send + 'static,
        A: Send + Sync + 'static,
    {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|one| one.turn.strong_count() > 0);
        let last = asked.iter().position(|one| one.question == question);
        let last = last.map(|index| asked.swap_remove(index));
        let next = last.as_ref().filter(|one| !one.begun.load(Ordering::SeqCst));
        if let Some(round) = next.and_then(|one| one.round.upgrade()) {
            asked.extend(last);
            return round;
        }
        let turn = last.and_then(|one| one.turn.upgrade()).unwrap_or_default();
        let begun = Arc::<AtomicBool>::default();
        let round = in_turn(turn.clone(), begun.clone(), work()).boxed().shared();
        let weak = round.downgrade().unwrap_or_else(|| unreachable!("nobody has polled it"));
        asked.push(Asked { question, turn: Arc::downgrade(&turn), round: weak, begun });
        round
    }
}

async fn in_turn<A>(
    turn: Arc<Turn<()>>,
    begun: Arc<AtomicBool>,
    work: impl Future<Output = anyhow::Result<A>>,
) -> Result<A, Arc<anyhow::Error>> {
    let _turn = turn.lock().await;
    begun.store(true, Ordering::SeqCst);
    work.await.map_err(Arc::new)
}

/// A copy of the error.
fn same(error: &anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.clone().into(),
        None => anyhow!("{error:#}"),
    }
}

#[cfg(test)]
mod tests;
