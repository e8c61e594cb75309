//! `ReleasePipeline`: builds an app and gives its images.

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use kilnworks_workflows::{
    BuildApp,
    build::raw,
    failure::Failure,
    output::{BuildOutput, ContainerImage, FailureDetails},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use temporalio_common::error::{
    ApplicationFailure, ChildWorkflowExecutionError, ChildWorkflowStartError, IncomingError,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, TimerOptions, TimerResult, WorkflowCancellationToken,
    WorkflowContext, WorkflowResult, WorkflowTermination, join,
};

/// What is to be released.
#[derive(Deserialize, Serialize)]
pub(crate) struct Order {
    /// The task queue of Kilnworks.
    queue: String,
    /// The input of `BuildApp`.
    spec: Value,
    /// What a build has that ran out of it.
    memory: String,
    /// The most seconds that all of it may take.
    limit: u64,
}

/// What came of it.
#[derive(Deserialize, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub(crate) enum Release {
    /// Every image is there: the references by `component/container`.
    Released { builds: u32, images: BTreeMap<String, String> },
    /// The code is wrong.
    Rejected { builds: u32, failures: Vec<Failure> },
    /// The limit ran out.
    OutOfTime { builds: u32 },
}

/// Builds an app and gives its images. A cancel, and its own limit, cancel the build.
#[workflow]
#[derive(Default)]
pub(crate) struct ReleasePipeline {
    builds: u32,
}

#[workflow_methods]
impl ReleasePipeline {
    #[run(name = "ReleasePipeline")]
    pub(crate) async fn run(
        ctx: &mut WorkflowContext<Self>,
        mut order: Order,
    ) -> WorkflowResult<Release> {
        let limited = ctx.cancellation_token().child_token();
        let expired = Cell::new(false);
        let limit = TimerOptions::builder(Duration::from_secs(order.limit))
            .cancellation_token(limited.clone())
            .build();
        let expiring = async {
            if matches!(ctx.timer(limit).await, TimerResult::Fired) {
                expired.set(true);
                limited.cancel_with_reason("the pipeline's limit ran out");
            }
        };
        let building = async {
            let release = build_and_judge(ctx, &mut order, &limited).await;
            limited.cancel_with_reason("the build has ended");
            release
        };
        let ((), release) = join!(expiring, building);
        let builds = ctx.state(|s| s.builds);
        match release {
            Err(Ending::Cancelled) if expired.get() => Ok(Release::OutOfTime { builds }),
            release => Ok(release?),
        }
    }
}

type Ctx = WorkflowContext<ReleasePipeline>;

/// Builds once, and once more with more memory where that was missing.
async fn build_and_judge(
    ctx: &Ctx,
    order: &mut Order,
    limited: &WorkflowCancellationToken,
) -> Result<Release, Ending> {
    let mut outcome = build(ctx, order, limited).await;
    if outcome.as_ref().is_err_and(|ending| ending.is("OutOfMemory")) {
        order.spec["defaults"]["resources"]["memory"] = json!(order.memory);
        outcome = build(ctx, order, limited).await;
    }
    let builds = ctx.state(|s| s.builds);
    match outcome {
        Ok(output) => {
            let images = output.images.into_iter();
            let named = |one: ContainerImage| {
                (format!("{}/{}", one.component, one.container), one.reference)
            };
            let images = images.map(named).collect();
            Ok(Release::Released { builds, images })
        }
        // No second build will mend it.
        Err(Ending::Failed(kind, details)) if kind == "BuildFailed" => {
            Ok(Release::Rejected { builds, failures: details.failures })
        }
        Err(ending) => Err(ending),
    }
}

/// Runs `BuildApp` as a child, and waits for its clean-up where it is cancelled.
async fn build(
    ctx: &Ctx,
    order: &Order,
    limited: &WorkflowCancellationToken,
) -> Result<BuildOutput, Ending> {
    ctx.state_mut(|s| s.builds += 1);
    let app = order.spec["app"].as_str().unwrap_or_default();
    let options = ChildWorkflowOptions::builder()
        .workflow_id(format!("{}/{app}", ctx.workflow_id()))
        .task_queue(order.queue.clone())
        .cancellation_token(limited.clone())
        // The default is to terminate it, and then it cannot clean up.
        .parent_close_policy(ParentClosePolicy::RequestCancel)
        .build();
    let started = ctx.start_child_workflow(BuildApp::run, raw(&order.spec), options).await?;
    Ok(started.result().await?)
}

/// Why a build gave no images.
enum Ending {
    /// It failed with this type.
    Failed(String, FailureDetails),
    /// Someone cancelled it.
    Cancelled,
    /// Any other way.
    Other(String),
}

impl Ending {
    fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Failed(own, _) if own == kind)
    }
}

impl From<ChildWorkflowExecutionError> for Ending {
    fn from(error: ChildWorkflowExecutionError) -> Self {
        match error.reason() {
            Some(IncomingError::Cancelled(_)) => Self::Cancelled,
            Some(IncomingError::Application(failure)) => {
                let kind = failure.type_name().unwrap_or_default().to_owned();
                Self::Failed(kind, failure.details().ok().flatten().unwrap_or_default())
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<ChildWorkflowStartError> for Ending {
    fn from(error: ChildWorkflowStartError) -> Self {
        match error {
            ChildWorkflowStartError::Cancelled(_) => Self::Cancelled,
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<Ending> for WorkflowTermination {
    fn from(ending: Ending) -> Self {
        let failure = match ending {
            Ending::Cancelled => return Self::cancelled(),
            Ending::Other(message) => ApplicationFailure::builder(message).build(),
            Ending::Failed(kind, details) => {
                let message = details.failures.first().map(Failure::to_string);
                ApplicationFailure::builder(message.unwrap_or_default())
                    .type_name(kind)
                    .details(details)
                    .build()
            }
        };
        failure.into()
    }
}
