//! `BuildApp`: an app's components, and their package.

mod decide;
mod parts;

use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::workflow;
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext, WorkflowResult, join, join_all,
};

use crate::{
    bases::Bases,
    build::{OUTCOME, attributes, child, json_of, split, summary},
    build_component::BuildComponent,
    consent,
    decision::Approve,
    deliver::deliver,
    document::Kind,
    ending::Ending,
    handlers::with_decisions,
    names,
    output::{BuildOutput, ContainerImage},
    plan::{ComponentPlan, Plan},
    planned::Planned,
    policy::Policy,
    progress::{Progress, State, waits_for},
    release::{Release, release},
    sources::{Fetches, Sources, fetch_sources, time},
    spec::Resolved,
    steps::{DeliverInput, Delivered},
    stop::Stop,
    unchanged::{settle, unchanged},
};
use parts::Parts;

/// An app's components, and their package.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildApp {
    progress: Progress,
    /// How many more containers may run at once.
    free: usize,
    /// Whether a failure has ended the build: `failFast`.
    ended: bool,
    sources: Sources,
    bases: Bases,
    planned: Planned,
    parts: Parts,
    consent: Option<Approve>,
}

with_decisions!(BuildApp {
    /// Input: a [`crate::spec::AppSpec`], raw, so that an invalid one is reported and not retried.
    #[run(name = "BuildApp")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        input: RawValue,
    ) -> WorkflowResult<BuildOutput> {
        let (input, split) = split(ctx, Kind::App, &input).await?;
        let plan = &split.plan;
        let version = plan.version.as_deref();
        ctx.upsert_search_attributes(attributes(&plan.app, version, None, None));
        ctx.state_mut(|s| {
            s.progress = Progress::of(plan);
            s.planned = Planned::of(plan);
            s.parts = Parts::of(plan);
            s.free = plan.max_parallel as usize;
        });
        let policy = Policy::new(ctx.task_queue(), split.settings, None);
        show(ctx, |progress| progress.set_all(State::Fetching));
        if let Some(output) = unchanged(ctx, &policy, &split).await? {
            show(ctx, |progress| settle(progress, &output));
            return Ok(output);
        }
        let release = release(ctx, &policy, &split).await?;
        ctx.state_mut(|s| s.progress.version = release.version.clone());
        let group = ctx.cancellation_token().child_token();
        let fetching = fetch_sources(ctx, &policy, &split, &release, &group);
        let components = plan.components.iter().enumerate();
        let building = join_all(components.map(|(index, component)| {
            let mut document = json!({
                "app": input["app"],
                "version": release.version,
                "defaults": input["defaults"],
                "maxParallel": plan.max_parallel,
                "failFast": plan.fail_fast,
                "component": input["components"][index],
            });
            if !plan.on_failure.is_default() {
                document["onFailure"] = json!(plan.on_failure);
            }
            build_one(ctx, plan, &release, &group, component, document)
        }));
        let ((), outcomes) = join!(fetching, building);
        let packages: Vec<_> =
            outcomes.iter().map(|one| one.as_ref().ok()?.package.clone()).collect();
        let packages =
            plan.components.iter().zip(packages).filter_map(|(component, package)| {
                Some(Delivered { place: component.delivery.as_ref()?.place.clone(), package: package? })
            });
        let mut ending = Ending::of(outcomes, ctx.cancellation_token().is_cancelled());
        if ending.is_complete() && plan.approval.is_some() {
            ending.consent(consent::wait(ctx, |s| &mut s.progress, |s| s.consent.as_ref()).await);
        }
        if ending.is_complete() {
            let components = { packages }.collect();
            let source = plan.delivery.as_ref().and_then(|delivery| delivery.source.as_ref());
            let commit = source.and_then(|source| ctx.state(|s| s.sources.commit(source)));
            let made = DeliverInput { components, commit, ..DeliverInput::default() };
            ending.deliver(deliver(ctx, &policy, plan, &release, made).await);
        }
        release.end();
        ctx.upsert_search_attributes([OUTCOME.value_set(ending.word())]);
        Ok(ending.output(&plan.app, release.version.as_deref())?)
    }

    /// The answer of a component to a decision.
    #[signal(name = "answered")]
    pub fn answered(&mut self, _ctx: &mut SyncWorkflowContext<Self>, answer: RawValue) {
        self.parts.note(json_of(&answer));
    }
});

impl Fetches for BuildApp {
    fn sources(&mut self) -> &mut Sources {
        &mut self.sources
    }

    fn is_held_back(&self, component: &str, _: usize, container: &str) -> bool {
        let name = names::container(component, container);
        self.parts.paused.contains(&name) || self.parts.cancelled.contains(&name)
    }
}

/// Changes the progress, and shows it.
fn show(ctx: &WorkflowContext<BuildApp>, change: impl FnOnce(&mut Progress)) {
    ctx.state_mut(|s| change(&mut s.progress));
    ctx.set_current_details(ctx.state(|s| s.progress.markdown()));
}

/// Builds a component, and again if a user retries it while other components run.
async fn build_one(
    ctx: &WorkflowContext<BuildApp>,
    plan: &Plan,
    release: &Release,
    group: &WorkflowCancellationToken,
    component: &ComponentPlan,
    mut document: Value,
) -> Result<BuildOutput, Stop> {
    let name = component.name.as_str();
    let mut done = Vec::new();
    loop {
        let outcome =
            build_once(ctx, plan, release, group, component, document.clone(), done).await;
        ctx.state_mut(|s| {
            s.bases.end(component, &outcome);
            s.parts.end(name);
        });
        let again = ctx.wait_condition(|s| s.parts.is_over() || s.parts.is_wanted(name)).await;
        let wanted = ctx.state_mut(|s| s.parts.begin_again(name));
        match outcome {
            Err(stop) if again.is_ok() && !wanted.is_empty() => {
                ctx.state_mut(|s| {
                    s.bases.forget(component);
                    s.parts.keep_cancelled(name, &stop, &wanted);
                });
                wanted.iter().for_each(|retry| parts::grant(&mut document, retry));
                done = stop.images();
            }
            outcome => return outcome,
        }
    }
}

/// Builds a component, after its sources and bases exist and there is room for its containers. `done`
/// are its images of an earlier run.
async fn build_once(
    ctx: &WorkflowContext<BuildApp>,
    plan: &Plan,
    release: &Release,
    group: &WorkflowCancellationToken,
    component: &ComponentPlan,
    mut document: Value,
    done: Vec<ContainerImage>,
) -> Result<BuildOutput, Stop> {
    let name = component.name.as_str();
    let (sources, needs) = (|| component.sources(), || component.needs());
    if let Some(reason) = waits_for(needs()) {
        show(ctx, |progress| progress.set(name, State::Waiting, Some(&reason)));
    }
    let is_ready = |s: &BuildApp| s.sources.know(sources()) && s.bases.know(needs());
    let fetched = ctx.wait_condition(|s| is_ready(s) || s.ended).await;
    let places = component.containers.len().min(plan.max_parallel as usize);
    // A base may be built again meanwhile.
    let may = |s: &BuildApp| is_ready(s) && s.free >= places && !s.parts.is_held(component);
    let room = ctx.wait_condition(|s| may(s) || s.ended).await;
    if fetched.is_err() || room.is_err() || ctx.state(|s| s.ended) {
        show(ctx, |progress| progress.set(name, State::Cancelled, None));
        return Err(Stop::Cancelled);
    }
    let images = match ctx.state(|s| s.bases.images(needs())) {
        Ok(images) => images,
        Err(stop) => {
            let outcome = Err(stop.of_each(component));
            show(ctx, |progress| progress.end(name, &outcome));
            return outcome;
        }
    };
    ctx.state_mut(|s| s.free -= places);
    let published = release.published(name).cloned();
    let resolved = ctx.state(|s| s.sources.resolved(ctx.workflow_id(), sources()));
    let (paused, cancelled) = ctx.state_mut(|s| s.parts.begin(name));
    let now = time(ctx);
    let done = ctx.state(|s| {
        let is_new = |image: &&ContainerImage| {
            let name = &image.container;
            let known = done.iter().map(|image| &image.container).chain(&paused);
            !known.chain(&cancelled).any(|one| one == name)
        };
        let found: Vec<_> = s.sources.found(name, now).filter(is_new).cloned().collect();
        [done, found].concat()
    });
    show(ctx, |progress| {
        progress.set(name, State::Packing, None);
        done.iter().for_each(|image| progress.has(image));
        progress.wait(component);
    });
    let resolved = Resolved { published, paused, cancelled, images, done, ..resolved };
    document["resolved"] = json!(resolved);
    let found_by = attributes(&plan.app, release.version.as_deref(), Some(name), None);
    let summary = summary(name, release.version.as_deref(), None);
    let run = || BuildComponent::run;
    let outcome = child(ctx, run, name, summary, document, found_by, group).await;
    ctx.state_mut(|s| s.free += places);
    if plan.fail_fast && outcome.as_ref().is_err_and(Stop::is_of_itself) {
        ctx.state_mut(|s| s.ended = true);
        group.cancel_with_reason("another container failed, and failFast is set");
    }
    show(ctx, |progress| progress.end(name, &outcome));
    outcome
}
