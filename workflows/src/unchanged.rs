//! `onlyIf: changed`: whether there is anything to build. One step finds out before anything else, so
//! that no version is taken and the history stays short.

use temporalio_workflow::WorkflowContext;

use crate::{
    build::{OUTCOME, attributes, id},
    execute::execute,
    output::BuildOutput,
    policy::{Policy, Step},
    progress::{Progress, State},
    steps::{CompareInput, Split, Steps},
    stop::Stop,
};

/// The result of a build that would change nothing; none if it must run. A build also runs if the step
/// fails, as its own failure names the container.
pub(crate) async fn unchanged<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    split: &Split,
) -> Result<Option<BuildOutput>, Stop> {
    let plan = &split.plan;
    // Who has been told what to do by a parent was asked for.
    if !plan.only_if_changed || split.resolved.is_some() {
        return Ok(None);
    }
    let token = ctx.cancellation_token();
    let summary = format!("compare {}", plan.app);
    let options = || policy.options(Step::Compare, summary.clone(), token.clone());
    let input = CompareInput { id: id(ctx, &plan.app), plan: plan.clone() };
    let found = execute(ctx, Step::Compare, || Steps::compare, input, options).await;
    let found = found.map_err(Stop::from);
    let word = match &found {
        Ok(Some(_)) => "unchanged".to_owned(),
        Err(stop @ Stop::Cancelled) => stop.word(),
        _ => return Ok(None),
    };
    let component = plan.components.first().filter(|_| !plan.is_app);
    let component = component.map(|component| component.name.as_str());
    let version = found.as_ref().ok().and_then(|found| found.as_ref()?.version.as_deref());
    let mut updates = attributes(&plan.app, version, component, None);
    updates.push(OUTCOME.value_set(word));
    ctx.upsert_search_attributes(updates);
    found
}

/// Shows what is there.
pub(crate) fn settle(progress: &mut Progress, output: &BuildOutput) {
    progress.version.clone_from(&output.version);
    progress.set_all(State::Done);
    output.images.iter().for_each(|image| progress.has(image));
}
