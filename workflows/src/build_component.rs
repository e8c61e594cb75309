//! `BuildComponent`: the containers of one component, and their package.

use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::{
    build::{OUTCOME, attributes, bounded, child, json_of, split},
    build_app::{Ending, deliver, fetch_sources},
    build_container::BuildContainer,
    document::{Kind, inherit},
    output::BuildOutput,
    policy::Policy,
    progress::{Progress, State, reason},
    spec::Resolved,
    stop::Stop,
};

/// The containers of one component, and their package.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildComponent {
    progress: Progress,
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
        let resolved = match &split.resolved {
            Some(resolved) => resolved.clone(),
            None => Resolved {
                commits: fetch_sources(ctx, &policy, &outline.sources).await,
                root: ctx.workflow_id().to_owned(),
            },
        };
        let component = &outline.components[0];
        let lanes = outline.max_parallel as usize;
        let jobs = (0..component.containers.len()).collect();
        let outcomes = bounded(jobs, lanes, async |index: usize| {
            let container = &component.containers[index];
            let document = json!({
                "app": input["app"],
                "version": input["version"],
                "defaults": inherit(&input["defaults"], &input["component"]),
                "component": component.name,
                "container": input["component"]["containers"][index],
                "resolved": resolved.only(container.source.iter()),
            });
            build_one(ctx, &component.name, &container.name, outline.version.as_deref(), document)
                .await
        });
        let mut ending = Ending::of(outcomes.await, ctx.cancellation_token().is_cancelled());
        if ending.is_complete() {
            let name = Some(component.name.clone());
            ending.deliver(deliver(ctx, &policy, outline, name, ending.images.clone()).await);
        }
        let mut updates = vec![OUTCOME.value_set(ending.word())];
        if split.resolved.is_none() {
            let version = outline.version.as_deref();
            updates.extend(attributes(&outline.app, version, Some(&component.name), None));
        }
        ctx.upsert_search_attributes(updates);
        Ok(ending.output(&outline.app, outline.version.as_deref())?)
    }

    /// Where the build stands.
    #[query(name = "progress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> Progress {
        self.progress.clone()
    }

    /// What a step saw a container wait for.
    #[signal(name = "observed")]
    pub fn observed(&mut self, _ctx: &mut SyncWorkflowContext<Self>, seen: RawValue) {
        self.progress.observe(json_of(&seen));
    }
}

async fn build_one(
    ctx: &WorkflowContext<BuildComponent>,
    component: &str,
    container: &str,
    version: Option<&str>,
    document: Value,
) -> Result<BuildOutput, Stop> {
    let note = |state, reference: Option<String>, reason: Option<String>| {
        ctx.state_mut(|s| {
            for row in s.progress.rows(component, Some(container)) {
                (row.state, row.reference, row.reason) = (state, reference.clone(), reason.clone());
            }
        });
    };
    note(State::Packing, None, None);
    let app = document["app"].as_str().unwrap_or_default().to_owned();
    let found_by = attributes(&app, version, Some(component), Some(container));
    let outcome = child(ctx, || BuildContainer::run, container, document, found_by).await;
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
