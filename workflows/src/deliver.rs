//! The last step of a component's and an app's build: the package.

use std::time::SystemTime;

use temporalio_workflow::WorkflowContext;

use crate::{
    build::id,
    build_id::BuildId,
    execute::execute,
    output::Package,
    plan::Plan,
    policy::{Policy, Step},
    release::Release,
    steps::{DeliverInput, Steps},
    stop::Stop,
};

/// Publishes a package. `made` is what it contains.
pub(crate) async fn deliver<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    plan: &Plan,
    release: &Release,
    made: DeliverInput,
) -> Result<Option<Package>, Stop> {
    let summary = format!("deliver {}", made.component.as_deref().unwrap_or(&plan.app));
    let options = || policy.options(Step::Deliver, summary.clone(), ctx.cancellation_token());
    let time = |time: Option<SystemTime>| {
        time.map(|time| humantime::format_rfc3339_millis(time).to_string()).unwrap_or_default()
    };
    let input = DeliverInput {
        id: BuildId { component: made.component.clone().unwrap_or_default(), ..id(ctx, &plan.app) },
        app: plan.app.clone(),
        version: release.version.clone(),
        delivery: plan.own_delivery().cloned(),
        started: time(ctx.info().start_time()),
        finished: time(ctx.workflow_time()),
        ..made
    };
    Ok(execute(ctx, Step::Deliver, || Steps::deliver, input, options).await?)
}
