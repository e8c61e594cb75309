//! `BuildComponent`: the containers of one component, and their package.

mod decide;
mod one;
mod work;

use std::cell::RefCell;

use serde_json::json;
use temporalio_common::data_converters::RawValue;
use temporalio_macros::workflow;
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, WorkflowResult, join};

use crate::{
    bases::Bases,
    bounds,
    build::{OUTCOME, attributes, split},
    consent,
    decision::Approve,
    deliver::deliver,
    desk::{DONE, Desk, Standing},
    document::Kind,
    ending::Ending,
    handlers::with_decisions,
    output::{BuildOutput, ContainerImage, Outcome},
    plan::{ComponentPlan, ContainerPlan, Plan},
    planned::Planned,
    policy::Policy,
    progress::{ContainerProgress, Progress, State},
    release::{Release, release},
    sources::{Fetches, Sources, fetch_sources},
    spec::Resolved,
    steps::{DeliverInput, Split},
    unchanged::{settle, unchanged},
};
use one::One;
use work::Work;

/// The containers of one component, and their package.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildComponent {
    progress: Progress,
    /// Whether a failure has ended the build: `failFast`.
    ended: bool,
    sources: Sources,
    bases: Bases,
    planned: Planned,
    desk: Desk,
    consent: Option<Approve>,
}

with_decisions!(BuildComponent {
    /// Input: a [`crate::spec::ComponentInput`], raw, so that an invalid one is reported and not
    /// retried.
    #[run(name = "BuildComponent")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        input: RawValue,
    ) -> WorkflowResult<BuildOutput> {
        let (input, split) = split(ctx, Kind::Component, &input).await?;
        let plan = &split.plan;
        let handed = split.resolved.clone().unwrap_or_default();
        let outcomes = ctx.state_mut(|s| s.open(plan, &handed));
        let policy = Policy::new(ctx.task_queue(), split.settings, None);
        if let Some(output) = unchanged(ctx, &policy, &split).await? {
            ctx.state_mut(|s| settle(&mut s.progress, &output));
            return Ok(output);
        }
        let release = release(ctx, &policy, &split).await?;
        ctx.state_mut(|s| s.progress.version = release.version.clone());
        let component = &plan.components[0];
        let own = ctx.workflow_id().to_owned();
        let root = split.resolved.as_ref().map_or(&own, |resolved| &resolved.root);
        let group = ctx.cancellation_token().child_token();
        let fetching = sources(ctx, &policy, &split, &release, &group);
        let work = Work { ctx, plan, group: &group, root, outcomes: RefCell::new(outcomes) };
        let (input, release) = (&input, &release);
        let building = work.run(async |index, token| {
            One { ctx, plan, release, input, root, index, token }.build().await
        });
        let ((), outcomes) = join!(fetching, building);
        let mut ending = Ending::of(outcomes, ctx.cancellation_token().is_cancelled());
        if ending.is_complete() && plan.approval.is_some() {
            ending.consent(consent::wait(ctx, |s| &mut s.progress, |s| s.consent.as_ref()).await);
        }
        if ending.is_complete() {
            let made = deliverable(ctx, component, ending.images.clone());
            ending.deliver(deliver(ctx, &policy, plan, release, made).await);
        }
        release.end();
        let mut updates = vec![OUTCOME.value_set(ending.word())];
        if split.resolved.is_none() {
            let version = release.version.as_deref();
            updates.extend(attributes(&plan.app, version, Some(&component.name), None));
        }
        ctx.upsert_search_attributes(updates);
        Ok(ending.output(&plan.app, release.version.as_deref())?)
    }

    /// A decision that the parent passes on.
    #[signal(name = "decided")]
    pub async fn decided(ctx: &mut WorkflowContext<Self>, order: RawValue) {
        decide::obey(ctx, &order).await;
    }
});

impl BuildComponent {
    /// Opens the desk. The parent knows which containers are done or cancelled.
    fn open(&mut self, plan: &Plan, handed: &Resolved) -> work::Outcomes {
        let component = &plan.components[0];
        self.progress = Progress::of(plan);
        self.planned = Planned::of(plan);
        self.desk = Desk::of(component);
        self.bases.given(&handed.images);
        for name in &handed.cancelled {
            let outcome = Err(work::cancelled(&component.name, name));
            self.bases.note(&component.name, name, &outcome);
        }
        self.desk.hold(&handed.paused);
        self.desk.skip(&handed.cancelled);
        let rows = component.containers.iter().zip(&mut self.progress.containers);
        let outcome = |(index, (container, row)): (usize, (_, &mut ContainerProgress))| {
            let container: &ContainerPlan = container;
            if handed.paused.contains(&container.container) {
                row.set(State::Paused);
            }
            if handed.cancelled.contains(&container.container) {
                row.set(State::Cancelled);
            }
            let image = handed.done.iter().find(|image| image.container == container.container)?;
            row.set(State::Done);
            row.reference = Some(image.reference.clone());
            self.desk.standing[index] = Standing::Ended(DONE);
            Some(Ok(of_one(plan, plan.version.clone(), image.clone())))
        };
        let outcomes: work::Outcomes = rows.enumerate().map(outcome).collect();
        for (container, outcome) in component.containers.iter().zip(&outcomes) {
            if let Some(outcome) = outcome {
                self.bases.note(&component.name, &container.container, outcome);
            }
        }
        self.progress.wait(component);
        outcomes
    }
}

impl Fetches for BuildComponent {
    fn sources(&mut self) -> &mut Sources {
        &mut self.sources
    }

    fn is_held_back(&self, _: &str, index: usize, _: &str) -> bool {
        self.desk.is_paused(index) || self.desk.is_cancelled(index)
    }
}

/// The result of a container that has an image.
fn of_one(plan: &Plan, version: Option<String>, image: ContainerImage) -> BuildOutput {
    BuildOutput {
        app: plan.app.clone(),
        version,
        outcome: Outcome::Succeeded,
        images: vec![image],
        package: None,
    }
}

/// The commits of the sources: from the parent, or fetched.
async fn sources(
    ctx: &WorkflowContext<BuildComponent>,
    policy: &Policy,
    split: &Split,
    release: &Release,
    group: &WorkflowCancellationToken,
) {
    let Some(resolved) = &split.resolved else {
        return fetch_sources(ctx, policy, split, release, group).await;
    };
    ctx.state_mut(|s| {
        for source in split.plan.sources() {
            s.sources.note(source, resolved.commits.get(&source.key()).cloned());
        }
    });
}

/// What the component's package is made of.
fn deliverable(
    ctx: &WorkflowContext<BuildComponent>,
    component: &ComponentPlan,
    mut images: Vec<ContainerImage>,
) -> DeliverInput {
    let made = |image: &ContainerImage| {
        image.made.as_ref().map_or(0, |made| json!(made).to_string().len())
    };
    if images.iter().map(made).sum::<usize>() > bounds::MADE_BYTES {
        for made in images.iter_mut().filter_map(|image| image.made.as_mut()) {
            made.bases.clear();
            made.build_args.clear();
        }
    }
    let delivery = component.delivery.as_ref();
    let is_other =
        |one: &&ContainerPlan| delivery.is_some_and(|it| it.place.registry != one.registry);
    let registries = component.containers.iter().filter(is_other);
    let registries = registries.map(|one| (one.container.clone(), one.registry.clone()));
    let source = delivery.and_then(|delivery| delivery.source.as_ref());
    let commit = source.and_then(|source| ctx.state(|s| s.sources.commit(source)));
    DeliverInput {
        component: Some(component.name.clone()),
        images,
        registries: registries.collect(),
        commit,
        ..DeliverInput::default()
    }
}
