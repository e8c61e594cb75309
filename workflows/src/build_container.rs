//! `BuildContainer`: one container becomes one image.

mod launch;
mod pause;
mod platforms;
mod step;
mod timeouts;
mod walk;

use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::{
    build::{COMMIT, OUTCOME, attributes, json_of, now, split},
    decision::{Decision, Order, Refusal, read},
    document::Kind,
    output::{BuildOutput, ContainerImage, Outcome},
    plan::ContainerPlan,
    planned::Planned,
    progress::{ContainerProgress, Observed, Progress, State, reason},
    steps::Split,
    stop::Stop,
};
use pause::Pause;
use timeouts::Extensions;
use walk::Walk;

/// One container becomes one image.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildContainer {
    progress: Progress,
    planned: Planned,
    pause: Pause,
    extensions: Extensions,
}

#[workflow_methods]
impl BuildContainer {
    /// Input: a [`crate::spec::ContainerInput`], raw, so that a wrong input is a failure and does not
    /// block the workflow.
    #[run(name = "BuildContainer")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        input: RawValue,
    ) -> WorkflowResult<BuildOutput> {
        let (_, split) = split(ctx, Kind::Container, &input).await?;
        let plan = split.plan.containers().next().cloned();
        let plan = plan.unwrap_or_else(|| unreachable!("the document is one container"));
        ctx.state_mut(|s| {
            s.progress = Progress::of(&split.plan);
            s.planned = Planned::of(&split.plan);
            s.pause = Pause::of(&plan);
        });
        let outcome = Walk::new(ctx, &plan, &split).run().await;
        let outcome = outcome.map_err(|stop| stop.of(&plan.component, &plan.container));
        close(ctx, &plan, &split, &outcome);
        Ok(BuildOutput {
            app: plan.app,
            version: plan.version,
            outcome: Outcome::Succeeded,
            images: vec![outcome?],
            package: None,
        })
    }

    /// Where the build stands.
    #[query(name = "progress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> Progress {
        self.progress.clone()
    }

    /// What will be done: names, sources, order.
    #[query(name = "plan")]
    pub fn plan(&self, _ctx: &WorkflowContextView) -> Planned {
        self.planned.clone()
    }

    /// What a step saw the build wait for. It is shown, and decides nothing.
    #[signal(name = "observed")]
    pub fn observed(&mut self, ctx: &mut SyncWorkflowContext<Self>, seen: RawValue) {
        self.progress.observe(json_of(&seen));
        ctx.set_current_details(self.progress.markdown());
    }

    /// A decision of a user, as the parent passes it on.
    #[signal(name = "decided")]
    pub fn decided(&mut self, _ctx: &mut SyncWorkflowContext<Self>, order: RawValue) {
        let Ok(order) = serde_json::from_value::<Order>(json_of(&order)) else { return };
        match order.decision {
            Decision::Pause(_) => self.pause.set(true),
            Decision::Resume(_) => self.pause.set(false),
            Decision::Extend(extend) => drop(self.extensions.add(&extend)),
            Decision::Cancel(_) | Decision::Retry(_) => {}
        }
    }

    #[update_validator(pause)]
    fn check_pause(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        Decision::Pause(read(asked)?).check(&self.progress)?;
        self.pause.check(true)
    }

    /// Keeps the container from being launched.
    #[update(name = "pause")]
    pub fn pause(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _asked: RawValue) -> String {
        self.pause.set(true);
        "paused".to_owned()
    }

    #[update_validator(resume)]
    fn check_resume(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        Decision::Resume(read(asked)?).check(&self.progress)?;
        self.pause.check(false)
    }

    /// Lets the container be launched.
    #[update(name = "resume")]
    pub fn resume(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _asked: RawValue) -> String {
        self.pause.set(false);
        "resumed".to_owned()
    }

    #[update_validator(extend)]
    fn check_extend(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        Ok(Decision::Extend(read(asked)?).check(&self.progress)?)
    }

    /// Extends one of the timeouts.
    #[update(name = "extend")]
    pub fn extend(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        Ok(self.extensions.add(&read(&asked)?))
    }
}

type Ctx = WorkflowContext<BuildContainer>;

/// Shows how the build ended, and makes it findable by that.
fn close(ctx: &Ctx, plan: &ContainerPlan, split: &Split, outcome: &Result<ContainerImage, Stop>) {
    let (state, word) = match outcome {
        Ok(_) => (State::Done, "succeeded".to_owned()),
        Err(stop @ Stop::Cancelled) => (State::Cancelled, stop.word()),
        Err(stop) => (State::Failed, stop.word()),
    };
    let first = outcome.as_ref().err().and_then(Stop::first);
    show(ctx, |row| {
        row.set(state);
        row.reference = outcome.as_ref().ok().map(|image| image.reference.clone());
        row.reason = first.map(|one| reason(&one.message));
        row.log = first.and_then(|one| one.log.clone());
    });
    let commit = outcome.as_ref().ok().and_then(|image| image.commit.clone());
    let mut updates = vec![OUTCOME.value_set(word)];
    updates.extend(commit.map(|commit| COMMIT.value_set(commit)));
    // A parent set them at the start.
    if split.resolved.is_none() {
        let (component, container) = (plan.component.as_str(), plan.container.as_str());
        let version = plan.version.as_deref();
        updates.extend(attributes(&plan.app, version, Some(component), Some(container)));
    }
    ctx.upsert_search_attributes(updates);
}

/// A state of this container, for the workflow that a user started.
fn observed(ctx: &Ctx, plan: &ContainerPlan, state: State) -> Observed {
    Observed {
        component: plan.component.clone(),
        container: plan.container.clone(),
        state,
        since: now(ctx),
        ..Observed::default()
    }
}

/// Seconds since the workflow's start.
fn elapsed(ctx: &Ctx) -> f64 {
    let now = ctx.workflow_time();
    let since = now.and_then(|now| now.duration_since(ctx.info().start_time()?).ok());
    since.map_or(0.0, |time| (time.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// Changes what the workflow shows of its container, and shows it.
fn show(ctx: &Ctx, change: impl FnOnce(&mut ContainerProgress)) {
    let details = ctx.state_mut(|s| {
        if let Some(row) = s.progress.containers.first_mut() {
            change(row);
        }
        s.progress.markdown()
    });
    ctx.set_current_details(details);
}
