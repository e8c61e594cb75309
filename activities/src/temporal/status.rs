//! Whether the result of a running step is still wanted.

use kilnworks_workflows::{BuildApp, failure::FailureType};
use temporalio_client::WorkflowDescribeOptions;
use temporalio_common::protos::temporal::api::enums::v1::{
    PendingActivityState, WorkflowExecutionStatus,
};
use temporalio_sdk::activities::ActivityContext;

use crate::error::fail;

/// What Temporal says of a running step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// The workflow waits for its result.
    Wanted,
    /// Another run of the same step, on another worker, has given the result.
    Superseded,
    /// It was cancelled, or its workflow has ended.
    Unwanted,
}

/// The error of a step that ends because nobody waits for it.
pub fn unwanted() -> anyhow::Error {
    fail(FailureType::Conflict, "no workflow waits for this step any more")
}

/// Asks Temporal for the status of the step that runs. A step learns of its cancellation by its
/// heartbeats alone, seconds late. So it asks before and after a side effect that a workflow must
/// clean up. If Temporal does not answer, the step counts as wanted: the sweeper deletes what is left.
pub async fn status(ctx: ActivityContext) -> StepStatus {
    let info = ctx.info();
    let Some(handle) = ctx.workflow_handle::<BuildApp>() else { return StepStatus::Wanted };
    let Ok(described) = handle.describe(WorkflowDescribeOptions::default()).await else {
        return StepStatus::Wanted;
    };
    let running = described.raw().workflow_execution_info.as_ref();
    let running = running.is_some_and(|it| it.status == WorkflowExecutionStatus::Running as i32);
    let mut pending = described.raw().pending_activities.iter();
    let own = pending.find(|one| one.activity_id == info.activity_id).map(|one| one.state);
    match own {
        _ if !running => StepStatus::Unwanted,
        Some(state) if state == PendingActivityState::CancelRequested as i32 => {
            StepStatus::Unwanted
        }
        Some(_) => StepStatus::Wanted,
        None => StepStatus::Superseded,
    }
}
