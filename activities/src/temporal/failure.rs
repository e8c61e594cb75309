//! The one place where a step's error becomes what Temporal sees.

use kilnworks_workflows::failure::{Failure, FailureType};
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::ActivityError;

use crate::{
    error::{failure_of, is_final},
    secrets::redact,
};

/// What Temporal sees. An error without a type is a bug, so the step is not retried.
pub fn to_engine(error: anyhow::Error) -> ActivityError {
    let is_final = is_final(&error);
    let failure = match failure_of(&error) {
        Some(failure) => failure.clone(),
        None => Failure::new(FailureType::Internal, format!("{error:#}")),
    };
    let failure = redact::known().failure(failure);
    tracing::warn!(kind = failure.kind.name(), "{failure}");
    ActivityError::application(
        ApplicationFailure::builder(failure.message.clone())
            .type_name(failure.kind.name())
            .non_retryable(is_final)
            .details(failure)
            .build(),
    )
}
