//! `BuildContainer`: one container becomes one image.

use std::time::Duration;

use futures::{FutureExt, pin_mut};
use serde_json::Value;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, join, select,
};

use crate::{
    build::{COMMIT, OUTCOME, attributes, split},
    document::Kind,
    failure::FailureType,
    names,
    output::{BuildOutput, ContainerImage, Outcome, Times},
    plan::{BuildPlan, Clocks, ContainerPlan, GitSource, Resources, Work},
    policy::{self, Policy, Step, next_attempt},
    progress::{Progress, State},
    steps::{
        AwaitInput, BuildId, Built, CleanUpInput, Context, FetchInput, LaunchInput, RenderInput,
        Rendered, ResolveInput, Split, Steps, UploadInput,
    },
    stop::Stop,
};

/// One container becomes one image.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildContainer {
    progress: Progress,
}

#[workflow_methods]
impl BuildContainer {
    /// Input: a [`crate::spec::ContainerInput`], raw, so that a wrong one is told and not retried.
    #[run(name = "BuildContainer")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, input: Value) -> WorkflowResult<BuildOutput> {
        let split = split(ctx, Kind::Container, input).await?;
        let plan = split
            .container
            .clone()
            .unwrap_or_else(|| unreachable!("split gives it"));
        ctx.state_mut(|s| s.progress = Progress::of(&split.outline));
        let outcome = Build::new(ctx, &plan, &split).run().await;
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

    /// What a step saw the build wait for.
    #[signal(name = "observed")]
    pub fn observed(&mut self, _ctx: &mut SyncWorkflowContext<Self>, seen: Value) {
        self.progress.observe(seen);
    }
}

type Ctx = WorkflowContext<BuildContainer>;

/// Leaves the end where people look for it.
fn close(ctx: &Ctx, plan: &ContainerPlan, split: &Split, outcome: &Result<ContainerImage, Stop>) {
    let (state, word) = match outcome {
        Ok(_) => (State::Done, "succeeded".to_owned()),
        Err(Stop::Cancelled) => (State::Cancelled, "cancelled".to_owned()),
        Err(stop) => (
            State::Failed,
            stop.first().map_or_else(String::new, |one| one.kind.name()),
        ),
    };
    set_state(ctx, state);
    ctx.state_mut(|s| {
        for row in &mut s.progress.containers {
            row.reference = outcome.as_ref().ok().map(|image| image.reference.clone());
            row.reason = outcome
                .as_ref()
                .err()
                .and_then(Stop::first)
                .map(|one| one.message.clone());
        }
    });
    let commit = outcome.as_ref().ok().and_then(|image| image.commit.clone());
    let mut updates = vec![OUTCOME.value_set(word)];
    updates.extend(commit.map(|commit| COMMIT.value_set(commit)));
    // A parent has set these at the start.
    if split.resolved.is_none() {
        let (component, container) = (Some(plan.component.as_str()), Some(plan.container.as_str()));
        let found_by = attributes(&plan.app, plan.version.as_deref(), component, container);
        updates.extend(found_by);
    }
    ctx.upsert_search_attributes(updates);
}

fn set_state(ctx: &Ctx, state: State) {
    ctx.state_mut(|s| {
        for row in &mut s.progress.containers {
            row.state = state;
            row.reason = None;
        }
    });
}

/// One run of the workflow.
struct Build<'a> {
    ctx: &'a Ctx,
    plan: &'a ContainerPlan,
    split: &'a Split,
    policy: Policy,
    /// Cancelled with the workflow, and when the whole clock runs out.
    token: WorkflowCancellationToken,
    name: String,
}

impl<'a> Build<'a> {
    fn new(ctx: &'a Ctx, plan: &'a ContainerPlan, split: &'a Split) -> Self {
        let clocks = plan.work.as_build().map(|build| build.clocks);
        Self {
            ctx,
            plan,
            split,
            policy: Policy::new(ctx.task_queue(), split.settings, clocks),
            token: ctx.cancellation_token().child_token(),
            name: format!("{}/{}", plan.component, plan.container),
        }
    }

    async fn run(&self) -> Result<ContainerImage, Stop> {
        match &self.plan.work {
            Work::Use { image } => self.use_image(image).await,
            Work::Build(build) => {
                let outcome = self.within_clock(build).await;
                self.clean_up().await;
                outcome
            }
        }
    }

    async fn use_image(&self, image: &str) -> Result<ContainerImage, Stop> {
        let registry = self.plan.registry.clone();
        let input = ResolveInput {
            image: image.to_owned(),
            registry,
        };
        let options =
            self.policy
                .options(Step::ResolveImage, self.summary("look up"), self.token());
        let built = self
            .ctx
            .execute_activity(Steps::resolve_image, input, options)
            .await?;
        Ok(self.image(&names::repository_of(image), Vec::new(), None, 0, built))
    }

    /// The build, ended by the whole clock at the latest.
    async fn within_clock(&self, build: &BuildPlan) -> Result<ContainerImage, Stop> {
        let Clocks { whole, .. } = build.clocks;
        let work = self.build(build).fuse();
        pin_mut!(work);
        let clock = WorkflowCancellationToken::new();
        let timer = TimerOptions::builder(Duration::from_secs(whole))
            .cancellation_token(clock.clone())
            .summary("the whole clock".to_owned())
            .build();
        let timer = self.ctx.timer(timer);
        pin_mut!(timer);
        select! {
            outcome = work => {
                clock.cancel();
                outcome
            }
            _ = timer => {
                self.token.cancel_with_reason("the whole clock ran out");
                let message = format!("the whole clock ran out after {whole} s");
                Err(Stop::because(FailureType::DeadlineExceeded, message))
            }
        }
    }

    async fn build(&self, build: &BuildPlan) -> Result<ContainerImage, Stop> {
        let commit = match self.resolved_commit(&build.source) {
            Some(commit) => commit,
            None => self.fetch(&build.source).await?,
        };
        set_state(self.ctx, State::Packing);
        let (rendered, context) = join!(self.render(&commit), self.upload(build, &commit));
        let (rendered, context) = (rendered?, context?);
        let mut build = build.clone();
        let mut attempt = 1;
        loop {
            match self.attempt(attempt, &build, &rendered, &context).await {
                Ok(built) => {
                    let tags = rendered.tags.clone();
                    return Ok(self.image(&build.repository, tags, Some(commit), attempt, built));
                }
                Err(stop) => {
                    let Some(resources) = self.again(&stop, attempt, &build).await else {
                        return Err(stop);
                    };
                    build.resources = resources;
                    attempt += 1;
                }
            }
        }
    }

    /// The resources of the next attempt, after its pause, where a next one makes sense.
    async fn again(&self, stop: &Stop, attempt: u32, build: &BuildPlan) -> Option<Resources> {
        let kind = stop.first()?.kind;
        let next = next_attempt(kind, attempt, &build.resources, &self.split.settings)?;
        if let Some(pause) = policy::pause(kind, attempt) {
            let timer = TimerOptions::builder(pause)
                .cancellation_token(self.token())
                .build();
            (self.ctx.timer(timer).await == TimerResult::Fired).then_some(())?;
        }
        Some(next)
    }

    fn resolved_commit(&self, source: &GitSource) -> Option<String> {
        self.split
            .resolved
            .as_ref()?
            .commits
            .get(&source.key())
            .cloned()
    }

    async fn fetch(&self, source: &GitSource) -> Result<String, Stop> {
        set_state(self.ctx, State::Fetching);
        let input = FetchInput {
            source: source.clone(),
        };
        let options = self
            .policy
            .options(Step::FetchSource, self.summary("fetch"), self.token());
        Ok(self
            .ctx
            .execute_activity(Steps::fetch_source, input, options)
            .await?
            .commit)
    }

    async fn render(&self, commit: &str) -> Result<Rendered, Stop> {
        let input = RenderInput {
            plan: self.plan.clone(),
            commit: commit.to_owned(),
        };
        let options = self
            .policy
            .options(Step::Render, self.summary("render"), self.token());
        Ok(self
            .ctx
            .execute_activity(Steps::render, input, options)
            .await?)
    }

    async fn upload(&self, build: &BuildPlan, commit: &str) -> Result<Context, Stop> {
        let input = UploadInput {
            source: build.source.clone(),
            commit: commit.to_owned(),
            context_dir: build.context_dir.clone(),
            lfs: build.lfs,
        };
        let options = self
            .policy
            .options(Step::Upload, self.summary("upload"), self.token());
        Ok(self
            .ctx
            .execute_activity(Steps::upload, input, options)
            .await?)
    }

    /// One Pod, from its launch to its end.
    async fn attempt(
        &self,
        attempt: u32,
        build: &BuildPlan,
        rendered: &Rendered,
        context: &Context,
    ) -> Result<Built, Stop> {
        set_state(self.ctx, State::Queued);
        self.ctx.state_mut(|s| {
            s.progress
                .containers
                .iter_mut()
                .for_each(|row| row.attempt = attempt)
        });
        let id = self.id(attempt);
        let input = LaunchInput {
            id: id.clone(),
            build: build.clone(),
            registry: self.plan.registry.clone(),
            rendered: rendered.clone(),
            context: context.clone(),
        };
        let options = self
            .policy
            .options(Step::Launch, self.summary("launch"), self.token());
        let launched = self
            .ctx
            .execute_activity(Steps::launch, input, options)
            .await?;
        set_state(self.ctx, State::Building);
        let input = AwaitInput {
            id,
            launched,
            repository: build.repository.clone(),
            dockerfile: rendered.dockerfile.clone(),
            registry: self.plan.registry.clone(),
            clocks: build.clocks,
        };
        let options = self
            .policy
            .options(Step::AwaitBuild, self.summary("await"), self.token());
        Ok(self
            .ctx
            .execute_activity(Steps::await_build, input, options)
            .await?)
    }

    fn id(&self, attempt: u32) -> BuildId {
        let own = self.ctx.workflow_id().to_owned();
        let parent = self.split.resolved.as_ref();
        BuildId {
            app: self.plan.app.clone(),
            component: self.plan.component.clone(),
            container: self.plan.container.clone(),
            root: parent.map_or_else(|| own.clone(), |resolved| resolved.root.clone()),
            workflow_id: own,
            run_id: self.first_run_id(),
            attempt,
        }
    }

    fn first_run_id(&self) -> String {
        self.ctx.info().first_execution_run_id().to_owned()
    }

    /// Removes what this execution made in the cluster, whatever happened, a cancel included.
    async fn clean_up(&self) {
        let input = CleanUpInput {
            workflow_id: self.ctx.workflow_id().to_owned(),
            run_id: self.first_run_id(),
        };
        let detached = WorkflowCancellationToken::new();
        let options = self
            .policy
            .options(Step::CleanUp, self.summary("clean up"), detached);
        // What cannot be removed now is found by its labels later; the build's outcome stands.
        let _ = self
            .ctx
            .execute_activity(Steps::clean_up, input, options)
            .await;
    }

    fn token(&self) -> WorkflowCancellationToken {
        self.token.clone()
    }

    fn summary(&self, verb: &str) -> String {
        format!("{verb} {}", self.name)
    }

    fn image(
        &self,
        repository: &str,
        tags: Vec<String>,
        commit: Option<String>,
        attempts: u32,
        built: Built,
    ) -> ContainerImage {
        ContainerImage {
            component: self.plan.component.clone(),
            container: self.plan.container.clone(),
            init: self.plan.init,
            reference: names::reference(repository, &built.digest),
            tags,
            digest: built.digest,
            size: built.size,
            platform: built.platform,
            commit,
            attempts,
            times: Times {
                total: self.elapsed(),
                pod: built.pod_seconds,
            },
        }
    }

    /// Seconds since the workflow's start, by the engine's clock.
    fn elapsed(&self) -> f64 {
        let now = self.ctx.workflow_time();
        let since = now.and_then(|now| now.duration_since(self.ctx.info().start_time()?).ok());
        since.map_or(0.0, |time| (time.as_secs_f64() * 1000.0).round() / 1000.0)
    }
}
