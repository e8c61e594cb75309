//! `ReserveVersion`: holds a version of a package while its build runs.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

/// Reserves a version by its id, [`crate::names::version_workflow_id`], while it runs. Its parent cancels
/// it once the version is published.
#[workflow]
#[derive(Debug, Default)]
pub struct ReserveVersion;

#[workflow_methods]
impl ReserveVersion {
    /// Runs until it is cancelled, which is its good end.
    #[run(name = "ReserveVersion")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let _ = ctx.wait_condition(|_| false).await;
        Ok(())
    }
}
