//! Running a step: a step whose worker died is scheduled again, a bounded number of times.

use temporalio_common::{
    ActivityDefinition,
    data_converters::TemporalDeserializable,
    error::{ActivityExecutionError, RetryState, TimeoutType},
};
use temporalio_workflow::{ActivityOptions, WorkflowContext};

use crate::policy::{self, Step};

/// Runs a step with the options of the moment at which it is scheduled.
///
/// When the worker dies during the step, the step is scheduled again, ahead of the steps that wait in
/// its task queue. After [`Step::deaths`] workers it fails, so that an input that kills every worker
/// does not take down all of them.
pub(crate) async fn execute<W, A>(
    ctx: &WorkflowContext<W>,
    step: Step,
    activity: impl Fn() -> A,
    input: A::Input,
    options: impl Fn() -> ActivityOptions,
) -> Result<A::Output, ActivityExecutionError>
where
    A: ActivityDefinition,
    A::Input: Clone,
    A::Output: TemporalDeserializable,
{
    let mut outcome = ctx.execute_activity(activity(), input.clone(), options()).await;
    for _ in 1..step.deaths() {
        if !outcome.as_ref().is_err_and(worker_died) {
            break;
        }
        let mut options = options();
        options.priority = Some(policy::at_once());
        outcome = ctx.execute_activity(activity(), input.clone(), options).await;
    }
    outcome
}

/// Whether the worker sent no heartbeat in time.
pub(crate) fn worker_died(error: &ActivityExecutionError) -> bool {
    timeout_of(error) == Some(TimeoutType::Heartbeat)
}

/// Whether a step ran out of time for all its runs together.
pub(crate) fn is_expired(error: &ActivityExecutionError) -> bool {
    let is_last_retry = matches!(error, ActivityExecutionError::Failed(failed)
        if failed.retry_state() == RetryState::Timeout);
    is_last_retry || timeout_of(error) == Some(TimeoutType::ScheduleToClose)
}

/// Which timeout of a step ran out, where one did.
pub(crate) fn timeout_of(error: &ActivityExecutionError) -> Option<TimeoutType> {
    match error {
        ActivityExecutionError::Failed(failed) => Some(failed.as_timeout()?.timeout_type()),
        _ => None,
    }
}
