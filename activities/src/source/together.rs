//! Asks the same question once for all callers that ask it at the same moment.
//!
//! An answer that started before a question is too old for it, because the caller may know of a later
//! change. So callers that come while one works all share the next answer.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use anyhow::anyhow;
use kilnworks_workflows::failure::Failure;
use tokio::sync::Mutex as Turn;

/// The questions that are being asked, and their answers.
pub(super) struct Together<Q, A> {
    asked: Mutex<Vec<(Q, Weak<Latest<A>>)>>,
}

/// The latest answer to a question, and when its work started. Whoever works holds the lock.
type Latest<A> = Turn<Option<(Instant, anyhow::Result<A>)>>;

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self { asked: Mutex::default() }
    }
}

impl<Q: PartialEq, A: Clone> Together<Q, A> {
    /// Asks a question. Runs `work`, unless another caller has started it since this call. All callers
    /// that share the work get its error.
    pub(super) async fn ask<F>(&self, question: Q, work: impl FnOnce() -> F) -> anyhow::Result<A>
    where
        F: Future<Output = anyhow::Result<A>>,
    {
        let came = Instant::now();
        let latest = self.latest(question);
        let mut latest = latest.lock().await;
        if let Some((started, answer)) = &*latest
            && *started > came
        {
            return copy(answer);
        }
        let started = Instant::now();
        let answer = work().await;
        let own = copy(&answer);
        *latest = Some((started, answer));
        own
    }

    /// The answer is kept only as long as somebody waits for its successor.
    fn latest(&self, question: Q) -> Arc<Latest<A>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|(_, latest)| latest.strong_count() > 0);
        let known = asked.iter().find(|(known, _)| *known == question);
        if let Some(latest) = known.and_then(|(_, latest)| latest.upgrade()) {
            return latest;
        }
        let latest = Arc::default();
        asked.push((question, Arc::downgrade(&latest)));
        latest
    }
}

fn copy<A: Clone>(answer: &anyhow::Result<A>) -> anyhow::Result<A> {
    match answer {
        Ok(answer) => Ok(answer.clone()),
        Err(error) => Err(match error.downcast_ref::<Failure>() {
            Some(failure) => failure.clone().into(),
            None => anyhow!("{error:#}"),
        }),
    }
}

#[cfg(test)]
mod tests;
