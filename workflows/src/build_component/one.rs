//! One container of a component: its waits, its known image, its own workflow.

use serde_json::{Value, json};
use temporalio_workflow::{WaitConditionOptions, WorkflowCancellationToken, WorkflowContext};

use super::{BuildComponent, of_one, work::cancelled};
use crate::{
    build::{COMMIT, attributes, child, report, summary},
    build_container::BuildContainer,
    desk::grant,
    document::inherit,
    output::{BuildOutput, ContainerImage},
    plan::{ComponentPlan, ContainerPlan, Plan},
    progress::{ContainerProgress, State, reason},
    release::Release,
    sources::time,
    spec::Resolved,
    stop::Stop,
};

/// A container whose turn it is.
pub(super) struct One<'a> {
    pub(super) ctx: &'a WorkflowContext<BuildComponent>,
    pub(super) plan: &'a Plan,
    pub(super) release: &'a Release,
    /// The component's document.
    pub(super) input: &'a Value,
    /// The workflow that someone started.
    pub(super) root: &'a str,
    pub(super) index: usize,
    pub(super) token: WorkflowCancellationToken,
}

impl One<'_> {
    /// Its image: the image found with its source, or a new image.
    pub(super) async fn build(&self) -> Result<BuildOutput, Stop> {
        let outcome = match self.may_begin().await {
            true => match self.found() {
                Some(image) => Ok(of_one(self.plan, self.release.version.clone(), image)),
                None => self.run().await,
            },
            false => {
                self.rows(|row| row.set(State::Cancelled));
                Err(Stop::Cancelled)
            }
        };
        let (component, container) = (&self.component().name, &self.container().container);
        let outcome = match outcome {
            Err(Stop::Cancelled) if self.ctx.state(|s| s.desk.is_cancelled(self.index)) => {
                Err(cancelled(component, container))
            }
            outcome => outcome,
        };
        self.ctx.state_mut(|s| s.bases.note(component, container, &outcome));
        outcome
    }

    fn component(&self) -> &ComponentPlan {
        &self.plan.components[0]
    }

    fn container(&self) -> &ContainerPlan {
        &self.component().containers[self.index]
    }

    /// Waits for its source, and while it is paused. False if it is cancelled meanwhile.
    async fn may_begin(&self) -> bool {
        let source = || self.container().source().into_iter();
        let may = |s: &BuildComponent| {
            s.ended || (s.sources.know(source()) && !s.desk.is_paused(self.index))
        };
        let mut options = WaitConditionOptions::default();
        options.cancellation_token = Some(self.token.clone());
        self.ctx.wait_condition_with_options(may, options).await.is_ok()
    }

    /// The image found with its source.
    fn found(&self) -> Option<ContainerImage> {
        let now = time(self.ctx);
        let image = self.ctx.state_mut(|s| {
            if s.ended || s.desk.is_cancelled(self.index) {
                return None;
            }
            let mut found = s.sources.found(&self.component().name, now);
            let image = found.find(|image| image.container == self.container().container)?.clone();
            s.progress.has(&image);
            Some(image)
        })?;
        self.show();
        Some(image)
    }

    /// The input of its own workflow. An error if one of its bases has no image.
    fn document(&self) -> Result<Value, Stop> {
        let (component, container) = (self.component(), self.container());
        let images = self.ctx.state(|s| s.bases.images(container.from().iter()))?;
        let resolved =
            self.ctx.state(|s| s.sources.resolved(self.root, container.source().into_iter()));
        let published = self.release.published(&component.name).cloned();
        let mut document = json!({
            "app": self.input["app"],
            "version": self.release.version,
            "defaults": inherit(&self.input["defaults"], &self.input["component"]),
            "component": component.name,
            "container": self.input["component"]["containers"][self.index],
            "resolved": Resolved { published, images, ..resolved },
        });
        if let Some(given) = self.ctx.state(|s| s.desk.resources.get(&self.index).cloned()) {
            grant(&mut document["container"], &given);
        }
        Ok(document)
    }

    /// Runs its own workflow.
    async fn run(&self) -> Result<BuildOutput, Stop> {
        if self.ctx.state(|s| s.ended) {
            self.note(State::Cancelled, None, None);
            return Err(Stop::Cancelled);
        }
        let document = self.document();
        self.note(State::Packing, None, None);
        let outcome = match document {
            Ok(document) => {
                self.report_begin().await;
                self.child(document).await
            }
            Err(stop) => Err(stop),
        };
        match &outcome {
            Ok(output) => {
                let image = output.images.first();
                self.note(State::Done, image.map(|image| image.reference.clone()), None);
            }
            Err(Stop::Cancelled) => self.note(State::Cancelled, None, None),
            Err(stop) => {
                let first = stop.first();
                self.note(State::Failed, None, first.map(|one| reason(&one.message)));
                let log = first.and_then(|first| first.log.clone());
                let attempt = first.and_then(|first| first.attempt);
                self.rows(|row| {
                    (row.log, row.attempt) = (log.clone(), attempt.unwrap_or(row.attempt));
                });
            }
        }
        outcome.map_err(|stop| stop.of(&self.component().name, &self.container().container))
    }

    async fn child(&self, document: Value) -> Result<BuildOutput, Stop> {
        let (component, container) = (&self.component().name, &self.container().container);
        let version = self.release.version.as_deref();
        let mut found_by = attributes(&self.plan.app, version, Some(component), Some(container));
        let source = self.container().source();
        let commit = source.and_then(|source| self.ctx.state(|s| s.sources.commit(source)));
        found_by.extend(commit.clone().map(|commit| COMMIT.value_set(commit)));
        let what = self.container().path();
        let summary = summary(&what, version, commit.as_deref());
        let run = || BuildContainer::run;
        child(self.ctx, run, container, summary, document, found_by, &self.token).await
    }

    /// Shows the root that it no longer waits for its bases.
    async fn report_begin(&self) {
        let waited = self.component().own(self.container()).next().is_some();
        if waited && self.root != self.ctx.workflow_id() {
            let row = self.ctx.state(|s| s.progress.containers[self.index].observed());
            report(self.ctx, self.root, row).await;
        }
    }

    /// Changes its progress, and shows it.
    fn note(&self, state: State, reference: Option<String>, reason: Option<String>) {
        self.rows(|row| {
            row.set(state);
            (row.reference, row.reason) = (reference.clone(), reason.clone());
        });
        self.show();
    }

    fn rows(&self, change: impl FnMut(&mut ContainerProgress)) {
        let (component, container) = (&self.component().name, &self.container().container);
        self.ctx.state_mut(|s| s.progress.rows(component, Some(container)).for_each(change));
    }

    fn show(&self) {
        self.ctx.set_current_details(self.ctx.state(|s| s.progress.markdown()));
    }
}
