//! Errors of steps.
//!
//! Inside a step an error is an [`anyhow::Error`] with one sentence of context per call. Where the
//! caller must decide by it, its root is a [`Failure`] with a public type.

use kilnworks_workflows::failure::{Failure, FailureType};

/// A failure as an error, to be returned with `?`.
pub fn fail(kind: FailureType, message: impl Into<String>) -> anyhow::Error {
    Failure::new(kind, message).into()
}

/// A failure that ends its step for good, whatever its type. What `await_build` judges has ended:
/// a registry that was away while the executor ran is not mended by waiting for the same Pod again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Ended(pub Failure);

/// The engine does not answer what a step must know. It is the one neighbour that no failure type
/// names: a build whose engine is away has nobody to tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// The failure at the root of an error, where it has one.
pub fn failure_of(error: &anyhow::Error) -> Option<&Failure> {
    let ended = error.downcast_ref::<Ended>().map(|Ended(failure)| failure);
    ended.or_else(|| error.downcast_ref::<Failure>())
}

/// Whether an error is a failure of a public type.
pub fn is(error: &anyhow::Error, kind: FailureType) -> bool {
    failure_of(error).is_some_and(|failure| failure.kind == kind)
}

/// Gives an error of someone else's a public type; one that has a type already keeps it.
pub fn classed(kind: FailureType, error: impl Into<anyhow::Error>) -> anyhow::Error {
    let error = error.into();
    match failure_of(&error) {
        Some(_) => error,
        None => fail(kind, format!("{error:#}")),
    }
}

/// Puts where it happened before a failure's message; its public type stays.
pub fn within(place: &str, error: anyhow::Error) -> anyhow::Error {
    let error = match error.downcast::<Ended>() {
        Ok(Ended(failure)) => {
            let message = format!("{place}: {}", failure.message);
            return Ended(Failure { message, ..failure }).into();
        }
        Err(error) => error,
    };
    match error.downcast::<Failure>() {
        Ok(failure) => fail(failure.kind, format!("{place}: {}", failure.message)),
        Err(error) => error.context(place.to_owned()),
    }
}

/// Gives an error of this machine's own disk a type by which the engine waits: another worker, or
/// this one when there is room again, may do. Other errors stay as they are.
pub fn own_disk(error: anyhow::Error) -> anyhow::Error {
    match error.chain().any(|cause| cause.is::<std::io::Error>()) {
        true => classed(FailureType::SourceUnavailable, error),
        false => error,
    }
}

/// Whether the engine is not to run the step again.
pub fn is_final(error: &anyhow::Error) -> bool {
    let mends = failure_of(error).is_some_and(|failure| failure.kind.waiting_mends());
    error.is::<Ended>() || !(mends || error.is::<Unanswered>())
}
