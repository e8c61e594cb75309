//! Counts builds as they end, whoever started them.
//!
//! The outcome of a build is known to its workflow alone, and a workflow's code runs again with
//! every replay. So it is counted around the workflow, and not where its history is replayed.

use kilnworks_workflows::output::{BuildOutput, Outcome};
use temporalio_common::error::OutgoingWorkflowError;
use temporalio_sdk::{
    WorkflowTermination,
    workflow_interceptors::{
        ExecuteWorkflowInput, ExecuteWorkflowResult, WorkflowInterceptor,
        WorkflowInterceptorConstructor, WorkflowInterceptorContext, WorkflowInterceptorFuture,
        WorkflowNext,
    },
};

use super::metrics;

/// The workflows that are builds.
pub const WORKFLOWS: [&str; 3] = ["BuildApp", "BuildComponent", "BuildContainer"];

/// What a worker is given that serves the workflows.
pub fn counting() -> WorkflowInterceptorConstructor {
    WorkflowInterceptorConstructor::new(|_| Counting)
}

struct Counting;

impl WorkflowInterceptor for Counting {
    fn execute<'a>(
        &'a self,
        ctx: WorkflowInterceptorContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<
            'a,
            ExecuteWorkflowInput,
            WorkflowInterceptorFuture<'a, ExecuteWorkflowResult>,
        >,
    ) -> WorkflowInterceptorFuture<'a, ExecuteWorkflowResult> {
        WorkflowInterceptorFuture::new(async move {
            let result = next.run(input).await;
            let workflow = ctx.workflow_type();
            if !ctx.is_replaying_history_events()
                && WORKFLOWS.contains(&workflow)
                && let Some((outcome, kind)) = outcome(&result)
            {
                metrics().builds(1, workflow, outcome, &kind);
            }
            result
        })
    }
}

/// How a workflow ended, and the type of its failure; none where it goes on elsewhere.
fn outcome(result: &ExecuteWorkflowResult) -> Option<(&'static str, String)> {
    match result {
        Ok(output) => Some((success(output.downcast_ref()), String::new())),
        Err(WorkflowTermination::Cancelled { .. }) => Some(("cancelled", String::new())),
        Err(WorkflowTermination::Failed(OutgoingWorkflowError::Application(failure))) => {
            Some(("failed", failure.type_name().unwrap_or("Internal").to_owned()))
        }
        Err(WorkflowTermination::Failed(_)) => Some(("failed", "Internal".to_owned())),
        Err(WorkflowTermination::Evicted | WorkflowTermination::ContinueAsNew(_)) => None,
    }
}

fn success(output: Option<&BuildOutput>) -> &'static str {
    match output {
        Some(output) if output.outcome == Outcome::Unchanged => "unchanged",
        // An app has its package, too: that is more than an image that was there already.
        Some(output) if output.package.is_none() && is_reused(output) => "reused",
        _ => "succeeded",
    }
}

fn is_reused(output: &BuildOutput) -> bool {
    !output.images.is_empty() && output.images.iter().all(|image| image.reused)
}
