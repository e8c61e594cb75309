//! Why a workflow ends without a result, and how that crosses the engine.

use temporalio_common::error::{
    ActivityExecutionError, ApplicationFailure, ChildWorkflowExecutionError,
    ChildWorkflowStartError, IncomingError,
};
use temporalio_common::protos::temporal::api::failure::v1::ApplicationFailureInfo;
use temporalio_workflow::WorkflowTermination;

use crate::{
    bounds,
    execute::worker_died,
    failure::{FailedAttempt, Failure, FailureType, tail},
    output::{ContainerImage, FailureDetails},
    plan::ComponentPlan,
};

/// Why a workflow ends without a result.
#[derive(Debug)]
pub enum Stop {
    /// Something failed.
    Failed(Box<FailureDetails>),
    /// Someone cancelled it.
    Cancelled,
}

impl Stop {
    /// One failure.
    pub fn failed(failure: Failure) -> Self {
        Self::Failed(Box::new(FailureDetails { failures: vec![failure], images: Vec::new() }))
    }

    /// A failure of this kind.
    pub fn because(kind: FailureType, message: impl Into<String>) -> Self {
        Self::failed(Failure::new(kind, message))
    }

    /// The first failure, where there is one.
    pub fn first(&self) -> Option<&Failure> {
        match self {
            Self::Failed(details) => details.failures.first(),
            Self::Cancelled => None,
        }
    }

    /// The images that were finished all the same.
    pub(crate) fn images(self) -> Vec<ContainerImage> {
        match self {
            Self::Cancelled => Vec::new(),
            Self::Failed(details) => details.images,
        }
    }

    /// Whether anything failed beside what someone cancelled.
    pub(crate) fn is_of_itself(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::Failed(details) => {
                let mut kinds = details.failures.iter().map(|failure| failure.kind);
                kinds.any(|kind| kind != FailureType::ContainerCancelled)
            }
        }
    }

    /// What the search attribute of the outcome says.
    pub fn word(&self) -> String {
        match self {
            Self::Cancelled => "cancelled".to_owned(),
            Self::Failed(_) => self.first().map_or_else(String::new, |first| first.kind.name()),
        }
    }

    /// Notes the attempts before the one that failed.
    pub fn after(mut self, earlier: Vec<FailedAttempt>) -> Self {
        if let Self::Failed(details) = &mut self
            && let Some(failure) = details.failures.first_mut()
        {
            failure.earlier = earlier;
        }
        self
    }

    /// Names the platform that it was built for, in every failure.
    pub(crate) fn on(mut self, platform: &str) -> Self {
        if let Self::Failed(details) = &mut self {
            let failures = std::mem::take(&mut details.failures);
            details.failures = failures.into_iter().map(|it| it.on(platform)).collect();
        }
        self
    }

    /// One failure for each container of a component, of which none was begun.
    pub(crate) fn of_each(self, component: &ComponentPlan) -> Self {
        let Self::Failed(details) = self else { return self };
        let all = component.containers.iter().flat_map(|container| {
            let failures = details.failures.iter().cloned();
            failures.map(|failure| failure.of(&component.name, &container.container))
        });
        let failures = all.collect();
        Self::Failed(Box::new(FailureDetails { failures, images: Vec::new() }))
    }

    /// Puts failures that are nobody's yet down to a container.
    pub fn of(mut self, component: &str, container: &str) -> Self {
        if let Self::Failed(details) = &mut self {
            let failures = std::mem::take(&mut details.failures);
            let named = failures.into_iter().map(|failure| failure.of(component, container));
            details.failures = named.collect();
        }
        self
    }
}

impl From<Stop> for WorkflowTermination {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::cancelled(),
            Stop::Failed(details) => failure_of(*details).into(),
        }
    }
}

/// The application failure of a workflow: its type and message are the first failure's.
fn failure_of(mut details: FailureDetails) -> ApplicationFailure {
    spare_texts(&mut details);
    let kind = details.failures.first().map_or(FailureType::Internal, |first| first.kind);
    let message = match details.failures.as_slice() {
        [] => "failed without a failure".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    };
    ApplicationFailure::builder(message)
        .type_name(kind.name())
        .non_retryable(true)
        .details(details)
        .build()
}

/// Keeps the whole texts of the first failures; those of the others are in their own workflows.
fn spare_texts(details: &mut FailureDetails) {
    let mut left = bounds::DETAILS_BYTES;
    for failure in &mut details.failures {
        let instruction = failure.instruction.as_ref().map_or(0, String::len);
        let texts = failure.message.len() + failure.log_tail.len() + instruction;
        match left.checked_sub(texts) {
            Some(rest) => left = rest,
            None => {
                failure.log_tail.clear();
                failure.earlier.clear();
                failure.instruction = None;
                failure.message = tail(&failure.message, bounds::REASON_BYTES);
            }
        }
    }
}

impl From<ActivityExecutionError> for Stop {
    fn from(error: ActivityExecutionError) -> Self {
        match &error {
            ActivityExecutionError::Cancelled(_) => Self::Cancelled,
            ActivityExecutionError::Failed(failed) if worker_died(&error) => Self::because(
                FailureType::WorkerDied,
                format!(
                    "every worker that ran `{}` died during it",
                    failed.activity_type().unwrap_or_default()
                ),
            ),
            ActivityExecutionError::Failed(failed) => match failed.cause() {
                Some(IncomingError::Application(app)) => {
                    let failure = app.details::<Failure>().ok().flatten();
                    Self::failed(failure.unwrap_or_else(|| unknown(app)))
                }
                Some(IncomingError::Timeout(timeout)) => Self::because(
                    FailureType::DeadlineExceeded,
                    // The last failure says what the time was spent on.
                    match timeout.cause() {
                        Some(cause) => {
                            format!("gave up after its time ran out; the last try said: {cause}")
                        }
                        None => "the step did not end in its time".to_owned(),
                    },
                ),
                // A local activity's failure comes bare, without the wrapper of a remote one's.
                _ => match failed.failure().maybe_application_failure().and_then(recorded) {
                    Some(failure) => Self::failed(failure),
                    None => Self::because(FailureType::Internal, error.to_string()),
                },
            },
            _ => Self::because(FailureType::Internal, error.to_string()),
        }
    }
}

fn recorded(app: &ApplicationFailureInfo) -> Option<Failure> {
    let payload = app.details.as_ref()?.payloads.first()?;
    serde_json::from_slice(&payload.data).ok()
}

fn unknown(app: &ApplicationFailure) -> Failure {
    Failure::new(FailureType::Internal, app.to_string())
}

impl From<ChildWorkflowExecutionError> for Stop {
    fn from(error: ChildWorkflowExecutionError) -> Self {
        match error.reason() {
            Some(IncomingError::Cancelled(_)) => Self::Cancelled,
            Some(IncomingError::Application(app)) => match app.details::<FailureDetails>() {
                Ok(Some(details)) => Self::Failed(Box::new(details)),
                _ => Self::failed(unknown(app)),
            },
            Some(IncomingError::Terminated(_)) => {
                Self::because(FailureType::Internal, "its workflow was terminated")
            }
            _ => Self::because(FailureType::Internal, error.to_string()),
        }
    }
}

impl From<ChildWorkflowStartError> for Stop {
    fn from(error: ChildWorkflowStartError) -> Self {
        match &error {
            ChildWorkflowStartError::Cancelled(_) => Self::Cancelled,
            ChildWorkflowStartError::StartFailed { workflow_id, .. } => Self::because(
                FailureType::Conflict,
                format!("the workflow id `{workflow_id}` belongs to a running workflow"),
            ),
            _ => Self::because(FailureType::Internal, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_fit_into_one_payload() {
        let mut failure = Failure::new(FailureType::BuildFailed, "m".repeat(100_000));
        failure.log_tail = "l".repeat(4_000);
        failure.instruction = Some("i".repeat(60_000));
        let mut details =
            FailureDetails { failures: vec![failure.clone(); 500], images: Vec::new() };
        spare_texts(&mut details);
        let size = serde_json::to_vec(&details).expect("JSON").len();
        assert!(size < 1_000_000, "{size}");
        assert_eq!(details.failures[0], failure);
        assert!(details.failures[499].message.starts_with('…'), "the cut is marked");
    }
}
