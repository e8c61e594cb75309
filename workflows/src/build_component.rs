//! `BuildComponent`: the containers of one component, and their package.

use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SignalWorkflowOptions, SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, join,
};

use crate::{
    bases::Bases,
    bounds,
    build::{OUTCOME, attributes, child, in_order, json_of, raw, split},
    build_app::{BuildApp, Deliverable, Ending, Sources, deliver, fetch_sources},
    build_container::BuildContainer,
    document::{Kind, inherit},
    output::{BuildOutput, ContainerImage},
    plan::{Outline, OutlinedComponent, OutlinedContainer},
    policy::Policy,
    progress::{Observed, Progress, State, reason},
    release::{Release, release},
    spec::Resolved,
    steps::Split,
    stop::Stop,
    unchanged::{settle, unchanged},
};

/// The containers of one component, and their package.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildComponent {
    progress: Progress,
    /// Whether a container has failed where that ends the others.
    ended: bool,
    sources: Sources,
    bases: Bases,
}

#[workflow_methods]
impl BuildComponent {
    /// Input: a [`crate::spec::ComponentInput`], raw, so that a wrong one is told and not retried.
    #[run(name = "BuildComponent")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        input: RawValue,
    ) -> WorkflowResult<BuildOutput> {
        let (input, split) = split(ctx, Kind::Component, &input).await?;
        let outline = &split.outline;
        ctx.state_mut(|s| s.progress = Progress::of(outline));
        let policy = Policy::new(ctx.task_queue(), split.settings, None);
        if let Some(output) = unchanged(ctx, &policy, Kind::Component, &input, &split).await? {
            ctx.state_mut(|s| settle(&mut s.progress, &output));
            return Ok(output);
        }
        let release = release(ctx, &policy, &split).await?;
        ctx.state_mut(|s| s.progress.version = release.version.clone());
        let component = &outline.components[0];
        ctx.state_mut(|s| {
            s.progress.wait(component);
            s.bases.given(split.resolved.iter().flat_map(|resolved| &resolved.images));
        });
        let own = ctx.workflow_id().to_owned();
        let root = split.resolved.as_ref().map_or(&own, |resolved| &resolved.root);
        let group = ctx.cancellation_token().child_token();
        let fetching = sources(ctx, &policy, &split, &group);
        let lanes = outline.max_parallel as usize;
        let jobs = (0..component.containers.len()).collect();
        let ready = |s: &Self, index: &usize| {
            s.ended || s.bases.know(component.containers[*index].from.iter())
        };
        let building = in_order(ctx, jobs, lanes, ready, async |index: usize| {
            let container = &component.containers[index];
            let source = || container.source.iter();
            let fetched = ctx.wait_condition(|s| s.sources.know(source()) || s.ended).await;
            fetched.map_err(|_| Stop::Cancelled)?;
            let published = release.published(&component.name).cloned();
            let resolved = ctx.state(|s| s.sources.resolved(root, source()));
            let images = ctx.state(|s| s.bases.images(container.from.iter()));
            let document = images.map(|images| {
                json!({
                    "app": input["app"],
                    "version": release.version,
                    "defaults": inherit(&input["defaults"], &input["component"]),
                    "component": component.name,
                    "container": input["component"]["containers"][index],
                    "resolved": Resolved { published, images, ..resolved },
                })
            });
            let outcome = build_one(ctx, outline, &release, &group, container, document).await;
            ctx.state_mut(|s| s.bases.note(&component.name, &container.name, &outcome));
            outcome
        });
        let ((), outcomes) = join!(fetching, building);
        let mut ending = Ending::of(outcomes, ctx.cancellation_token().is_cancelled());
        if ending.is_complete() {
            let made = deliverable(ctx, component, ending.images.clone());
            ending.deliver(deliver(ctx, &policy, outline, &release, made).await);
        }
        release.end();
        let mut updates = vec![OUTCOME.value_set(ending.word())];
        if split.resolved.is_none() {
            let version = release.version.as_deref();
            updates.extend(attributes(&outline.app, version, Some(&component.name), None));
        }
        ctx.upsert_search_attributes(updates);
        Ok(ending.output(&outline.app, release.version.as_deref())?)
    }

    /// Where the build stands.
    #[query(name = "progress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> Progress {
        self.progress.clone()
    }

    /// What a step saw a container wait for.
    #[signal(name = "observed")]
    pub fn observed(&mut self, ctx: &mut SyncWorkflowContext<Self>, seen: RawValue) {
        self.progress.observe(json_of(&seen));
        ctx.set_current_details(self.progress.markdown());
    }
}

/// The commits of the sources: those that a parent has handed down, or fetched.
async fn sources(
    ctx: &WorkflowContext<BuildComponent>,
    policy: &Policy,
    split: &Split,
    group: &WorkflowCancellationToken,
) {
    let note = |key, commit| ctx.state_mut(|s| s.sources.note(key, commit));
    match &split.resolved {
        None => fetch_sources(ctx, policy, &split.outline, group, note).await,
        Some(resolved) => {
            for source in &split.outline.sources {
                let key = source.key();
                let commit = resolved.commits.get(&key).cloned();
                note(key, commit);
            }
        }
    }
}

/// What the component's package is made of.
fn deliverable(
    ctx: &WorkflowContext<BuildComponent>,
    component: &OutlinedComponent,
    mut images: Vec<ContainerImage>,
) -> Deliverable {
    let made = |image: &ContainerImage| {
        image.made.as_ref().map_or(0, |made| json!(made).to_string().len())
    };
    if images.iter().map(made).sum::<usize>() > bounds::MADE_BYTES {
        for made in images.iter_mut().filter_map(|image| image.made.as_mut()) {
            made.bases.clear();
            made.build_args.clear();
        }
    }
    let registries = component.containers.iter();
    let registries = registries.filter_map(|one| Some((one.name.clone(), one.registry.clone()?)));
    let commit = component.source.as_ref().and_then(|key| ctx.state(|s| s.sources.commit(key)));
    Deliverable {
        component: Some(component.name.clone()),
        images,
        registries: registries.collect(),
        commit,
        ..Deliverable::default()
    }
}

/// Tells the root that a container waits no more for others of its component. A root that has gone
/// needs to know nothing.
async fn tell(
    ctx: &WorkflowContext<BuildComponent>,
    document: &Value,
    component: &OutlinedComponent,
    container: &OutlinedContainer,
) {
    let root = document["resolved"]["root"].as_str().filter(|root| *root != ctx.workflow_id());
    let (Some(root), Some(_)) = (root, component.own(container).next()) else { return };
    let observed = Observed {
        component: component.name.clone(),
        container: container.name.clone(),
        platform: String::new(),
        state: State::Packing,
        reason: String::new(),
        since: String::new(),
    };
    let signal = raw(&json!(observed));
    let root = ctx.external_workflow(root, None);
    let _ = root.signal(BuildApp::observed, signal, SignalWorkflowOptions::default()).await;
}

/// One container; without a document it is not begun. Where the first failure is to end the others,
/// they are cancelled as a group.
async fn build_one(
    ctx: &WorkflowContext<BuildComponent>,
    outline: &Outline,
    release: &Release,
    group: &WorkflowCancellationToken,
    one: &OutlinedContainer,
    document: Result<Value, Stop>,
) -> Result<BuildOutput, Stop> {
    let of = &outline.components[0];
    let (component, container) = (of.name.as_str(), one.name.as_str());
    let note = |state, reference: Option<String>, reason: Option<String>| {
        ctx.state_mut(|s| {
            for row in s.progress.rows(component, Some(container)) {
                (row.state, row.reference, row.reason) = (state, reference.clone(), reason.clone());
                row.settle();
            }
        });
        ctx.set_current_details(ctx.state(|s| s.progress.markdown()));
    };
    if ctx.state(|s| s.ended) {
        note(State::Cancelled, None, None);
        return Err(Stop::Cancelled);
    }
    note(State::Packing, None, None);
    let version = release.version.as_deref();
    let found_by = attributes(&outline.app, version, Some(component), Some(container));
    let outcome = match document {
        Ok(document) => {
            tell(ctx, &document, of, one).await;
            child(ctx, || BuildContainer::run, container, document, found_by, group).await
        }
        Err(stop) => Err(stop),
    };
    if outline.fail_fast && outcome.is_err() {
        ctx.state_mut(|s| s.ended = true);
        group.cancel_with_reason("another container failed, and failFast is set");
    }
    match &outcome {
        Ok(output) => {
            let reference = output.images.first().map(|image| image.reference.clone());
            note(State::Done, reference, None);
        }
        Err(Stop::Cancelled) => note(State::Cancelled, None, None),
        Err(stop) => note(State::Failed, None, stop.first().map(|one| reason(&one.message))),
    }
    outcome.map_err(|stop| stop.of(component, container))
}
