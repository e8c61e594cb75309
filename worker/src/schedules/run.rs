//! A run of a schedule, which is a build.

use futures::{StreamExt, stream};
use kilnworks_workflows::build::{APP, OUTCOME};
use serde::Serialize;
use temporalio_client::{
    grpc::WorkflowService, schedules::ScheduleRecentAction, tonic::IntoRequest,
};
use temporalio_common::protos::temporal::api::{
    common::v1::{SearchAttributes, WorkflowExecution},
    enums::v1::WorkflowExecutionStatus,
    workflow::v1::WorkflowExecutionInfo,
    workflowservice::v1::DescribeWorkflowExecutionRequest,
};

use super::when;
use crate::engine::Engine;

/// Maximum number of lookups at the same time.
const AT_ONCE: usize = 8;

/// A run of a schedule.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    /// Id of the build.
    pub(super) id: String,
    /// Run id of the build.
    pub(super) run_id: String,
    /// Start time, RFC 3339.
    pub(super) started: Option<String>,
    /// `running` or the outcome. None if the engine no longer has the build.
    pub(super) outcome: Option<String>,
    /// Name of its app.
    #[serde(skip)]
    pub(super) app: Option<String>,
}

/// Looks up builds, in the given order.
pub(super) async fn runs(engine: &Engine, actions: Vec<ScheduleRecentAction>) -> Vec<Run> {
    stream::iter(actions).map(|action| run(engine, action)).buffered(AT_ONCE).collect().await
}

async fn run(engine: &Engine, action: ScheduleRecentAction) -> Run {
    let execution = WorkflowExecution {
        workflow_id: action.workflow_id.clone(),
        run_id: action.run_id.clone(),
    };
    let request = DescribeWorkflowExecutionRequest {
        namespace: engine.namespace.clone(),
        execution: Some(execution),
    };
    let mut service = engine.client.connection().clone();
    let described = service.describe_workflow_execution(request.into_request()).await;
    let info = described.ok().and_then(|described| described.into_inner().workflow_execution_info);
    Run {
        id: action.workflow_id,
        run_id: action.run_id,
        started: action.actual_time.map(when::time),
        app: info.as_ref().and_then(|info| keyword(info.search_attributes.as_ref(), APP.name())),
        outcome: info.as_ref().map(outcome),
    }
}

/// The outcome, or the status if the build is running or was terminated.
fn outcome(info: &WorkflowExecutionInfo) -> String {
    let status = info.status();
    let outcome = keyword(info.search_attributes.as_ref(), OUTCOME.name());
    let outcome = outcome.filter(|_| status != WorkflowExecutionStatus::Running);
    outcome.unwrap_or_else(|| format!("{status:?}").to_lowercase())
}

/// A search attribute of the type Keyword.
pub(super) fn keyword(attributes: Option<&SearchAttributes>, name: &str) -> Option<String> {
    serde_json::from_slice(&attributes?.indexed_fields.get(name)?.data).ok()
}
