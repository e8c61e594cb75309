//! `BuildContainer`: one container becomes one image.

mod calls;

use std::{cell::Cell, time::Duration};

use futures::{FutureExt, pin_mut};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, join, select,
};

use crate::{
    bounds,
    build::{COMMIT, OUTCOME, attributes, json_of, split},
    document::Kind,
    failure::{FailedAttempt, FailureType},
    names,
    output::{BuildOutput, ContainerImage, Made, Outcome, Times},
    plan::{BuildPlan, Clocks, ContainerPlan, GitSource, Work},
    policy::{self, Grants, Policy, next_attempt},
    progress::{ContainerProgress, Progress, State, reason},
    spec::Yields,
    steps::{AwaitInput, Built, LaunchInput, Rendered, Reuse, Split},
    stop::Stop,
};

/// One container becomes one image.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildContainer {
    progress: Progress,
    /// Whether a step told it of a wait.
    told: bool,
}

#[workflow_methods]
impl BuildContainer {
    /// Input: a [`crate::spec::ContainerInput`], raw, so that a wrong one is told and not retried.
    #[run(name = "BuildContainer")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        input: RawValue,
    ) -> WorkflowResult<BuildOutput> {
        let (_, split) = split(ctx, Kind::Container, &input).await?;
        let plan = split.container.clone().unwrap_or_else(|| unreachable!("split gives it"));
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
    pub fn observed(&mut self, ctx: &mut SyncWorkflowContext<Self>, seen: RawValue) {
        self.told = true;
        self.progress.observe(json_of(&seen));
        ctx.set_current_details(self.progress.markdown());
    }
}

type Ctx = WorkflowContext<BuildContainer>;

/// Leaves the end where people look for it.
fn close(ctx: &Ctx, plan: &ContainerPlan, split: &Split, outcome: &Result<ContainerImage, Stop>) {
    let (state, word) = match outcome {
        Ok(_) => (State::Done, "succeeded".to_owned()),
        Err(stop @ Stop::Cancelled) => (State::Cancelled, stop.word()),
        Err(stop) => (State::Failed, stop.word()),
    };
    show(ctx, |row| {
        row.state = state;
        row.reference = outcome.as_ref().ok().map(|image| image.reference.clone());
        row.reason = outcome.as_ref().err().and_then(Stop::first).map(|one| one.message.clone());
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

fn set_state(ctx: &Ctx, state: State) {
    show(ctx, |row| (row.state, row.reason) = (state, None));
}

/// One run of the workflow.
struct Build<'a> {
    ctx: &'a Ctx,
    plan: &'a ContainerPlan,
    split: &'a Split,
    policy: Policy,
    /// Cancelled with the workflow, and when the whole clock runs out.
    token: WorkflowCancellationToken,
    /// Whether a launch was begun and has not answered: it may create its Pod at any moment.
    launching: Cell<bool>,
    /// Whether what was made is removed already.
    tidied: Cell<bool>,
}

impl<'a> Build<'a> {
    fn new(ctx: &'a Ctx, plan: &'a ContainerPlan, split: &'a Split) -> Self {
        Self {
            ctx,
            plan,
            split,
            policy: Policy::new(ctx.task_queue(), split.settings, Some(plan.work.clocks())),
            token: ctx.cancellation_token().child_token(),
            launching: Cell::new(false),
            tidied: Cell::new(false),
        }
    }

    async fn run(&self) -> Result<ContainerImage, Stop> {
        match &self.plan.work {
            Work::Use { image, .. } => self.within_clock(self.use_image(image)).await,
            Work::Build(build) => {
                let outcome = self.within_clock(self.build(build)).await;
                // Nothing was made for what is used again.
                let is_tidy = |image: &ContainerImage| image.reused || self.tidied.get();
                if !outcome.as_ref().is_ok_and(is_tidy) {
                    self.clean_up(outcome.is_ok()).await;
                }
                outcome
            }
        }
    }

    async fn use_image(&self, image: &str) -> Result<ContainerImage, Stop> {
        let built = self.resolve(image).await?;
        Ok(self.image(&names::repository_of(image), built))
    }

    /// The work, ended by the whole clock at the latest.
    async fn within_clock(
        &self,
        work: impl Future<Output = Result<ContainerImage, Stop>>,
    ) -> Result<ContainerImage, Stop> {
        let Clocks { whole, .. } = self.plan.work.clocks();
        let clock = WorkflowCancellationToken::new();
        let timer = TimerOptions::builder(Duration::from_secs(whole))
            .cancellation_token(clock.clone())
            .summary("the whole clock".to_owned())
            .build();
        let timer = self.ctx.timer(timer);
        let work = work.fuse();
        pin_mut!(timer, work);
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
        let (rendered, context) = if build.reuse.is_some() {
            // An image that is there already needs no context.
            let rendered = self.render(&commit, true).await?;
            if let Some(built) = rendered.reused.clone() {
                return Ok(self.built(build, built, &commit, &rendered));
            }
            // Its worker may be an older one, which leaves that to a step of its own.
            let context = match rendered.context.clone() {
                Some(context) => context,
                None => self.upload(build, &commit).await?,
            };
            (rendered, context)
        } else {
            let (rendered, context) =
                join!(self.render(&commit, false), self.upload(build, &commit));
            let (rendered, context) = (rendered?, context?);
            match rendered.reused.clone() {
                Some(built) => return Ok(self.built(build, built, &commit, &rendered)),
                None => (rendered, context),
            }
        };
        let mut grants = Grants { resources: build.resources.clone(), growths: 0 };
        let mut earlier = Vec::new();
        for attempt in 1.. {
            let input = self.launch_input(attempt, build, &grants, &rendered, &context);
            let stop = match self.attempt(input).await {
                Ok(built) => {
                    let image = self.built(build, built, &commit, &rendered);
                    return Ok(ContainerImage {
                        attempts: attempt,
                        reused: false,
                        earlier,
                        ..image
                    });
                }
                Err(stop) => stop,
            };
            match self.again(&stop, attempt, &grants).await? {
                Some(next) => grants = next,
                None => return Err(stop.after(earlier)),
            }
            earlier.extend(stop.first().map(|failure| FailedAttempt::of(attempt, failure)));
            earlier.drain(..earlier.len().saturating_sub(bounds::EARLIER));
        }
        unreachable!("an attempt has a number")
    }

    /// One Pod, from its launch to its end.
    async fn attempt(&self, input: LaunchInput) -> Result<Built, Stop> {
        let attempt = input.id.attempt;
        show(self.ctx, |row| {
            (row.state, row.attempt, row.reason) = (State::Queued, attempt, None);
        });
        let LaunchInput { id, build, rendered, .. } = input.clone();
        let launched = self.launch(input).await?;
        set_state(self.ctx, State::Building);
        let input = AwaitInput {
            id,
            launched,
            repository: build.repository,
            tags: rendered.tags,
            reuse: build.reuse.zip(rendered.key).map(|(repository, key)| Reuse { repository, key }),
            dockerfile: rendered.dockerfile,
            registry: self.plan.registry.clone(),
            clocks: build.clocks,
        };
        self.await_build(input).await
    }

    /// What the next attempt has, after its pause, where a next one makes sense.
    async fn again(
        &self,
        stop: &Stop,
        attempt: u32,
        grants: &Grants,
    ) -> Result<Option<Grants>, Stop> {
        let Some(failure) = stop.first() else { return Ok(None) };
        let kind = failure.kind;
        let next = next_attempt(kind, attempt, grants, &self.split.settings);
        let Some(next) = next else { return Ok(None) };
        if let Some(pause) = policy::pause(kind, attempt) {
            let token = self.token.clone();
            let timer = TimerOptions::builder(pause).cancellation_token(token).build();
            let why = Some(reason(&failure.message));
            show(self.ctx, |row| (row.state, row.reason) = (State::Queued, why));
            if self.ctx.timer(timer).await == TimerResult::Cancelled {
                return Err(Stop::Cancelled);
            }
        }
        Ok(Some(next))
    }

    fn resolved_commit(&self, source: &GitSource) -> Option<String> {
        let resolved = self.split.resolved.as_ref()?;
        resolved.commits.get(&source.key()).cloned()
    }

    /// An image that was built, now or before.
    fn built(
        &self,
        build: &BuildPlan,
        built: Built,
        commit: &str,
        rendered: &Rendered,
    ) -> ContainerImage {
        let made = Made {
            source: build.source.url.clone(),
            revision: build.source.revision.clone(),
            context_dir: build.context_dir.clone(),
            context: rendered.content.clone(),
            dockerfile: format!("sha256:{}", names::hex(rendered.dockerfile.as_bytes())),
            build_args: build.build_args.keys().cloned().collect(),
            bases: rendered.bases.clone(),
            key: rendered.key.clone(),
            workflow_id: self.ctx.workflow_id().to_owned(),
            run_id: self.ctx.info().first_execution_run_id().to_owned(),
        };
        ContainerImage {
            tags: rendered.tags.clone(),
            commit: Some(commit.to_owned()),
            reused: true,
            files: build.yields == Yields::Files,
            made: Some(Box::new(made)),
            ..self.image(&build.repository, built)
        }
    }

    fn image(&self, repository: &str, built: Built) -> ContainerImage {
        ContainerImage {
            component: self.plan.component.clone(),
            container: self.plan.container.clone(),
            init: self.plan.init,
            reference: names::reference(repository, &built.digest),
            tags: Vec::new(),
            digest: built.digest,
            size: built.size,
            platform: built.platform,
            commit: None,
            attempts: 0,
            reused: false,
            files: false,
            made: None,
            earlier: Vec::new(),
            times: Times { total: self.elapsed(), pod: built.pod_seconds },
        }
    }

    /// Seconds since the workflow's start, by the engine's clock.
    fn elapsed(&self) -> f64 {
        let now = self.ctx.workflow_time();
        let since = now.and_then(|now| now.duration_since(self.ctx.info().start_time()?).ok());
        since.map_or(0.0, |time| (time.as_secs_f64() * 1000.0).round() / 1000.0)
    }
}
