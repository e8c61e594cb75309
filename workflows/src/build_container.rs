//! `BuildContainer`: one container becomes one image.

mod calls;
mod granted;
mod hold;
mod launch;
mod platforms;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, join,
};

use crate::{
    bounds,
    build::{COMMIT, OUTCOME, attributes, json_of, now, split},
    decision::{Decision, Order, Refusal, read},
    document::Kind,
    failure::FailedAttempt,
    names,
    output::{BuildOutput, ContainerImage, Outcome, Times},
    plan::{BuildPlan, ContainerPlan, GitSource, Work},
    planned::Planned,
    policy::{self, Grants, Policy, next_attempt},
    progress::{ContainerProgress, Observed, Progress, State, reason},
    steps::{AwaitInput, Built, Context, LaunchInput, Launched, Rendered, Split},
    stop::Stop,
};
use granted::Granted;
use hold::Hold;
use launch::Pods;

/// One container becomes one image.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildContainer {
    progress: Progress,
    /// Whether a step told it of a wait.
    told: bool,
    planned: Planned,
    hold: Hold,
    granted: Granted,
    pods: Pods,
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
        ctx.state_mut(|s| {
            s.progress = Progress::of(&split.outline);
            s.planned = Planned::of(&split.outline);
        });
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
        if let Some(seen) = Observed::read(json_of(&seen)) {
            self.progress.note(&seen);
            let is_launched = self.pods.note(&seen);
            self.hold.passes(is_launched);
        }
        ctx.set_current_details(self.progress.markdown());
    }

    /// What was decided, as the workflow that started this one passes it on.
    #[signal(name = "decided")]
    pub fn decided(&mut self, _ctx: &mut SyncWorkflowContext<Self>, order: RawValue) {
        let Ok(order) = serde_json::from_value::<Order>(json_of(&order)) else { return };
        match order.decision {
            Decision::Pause(_) => self.hold.set(true),
            Decision::Resume(_) => self.hold.set(false),
            Decision::Extend(extend) => {
                self.granted.grant(&extend);
            }
            Decision::Cancel(_) | Decision::Retry(_) => {}
        }
    }

    /// What will be done: names, sources, order.
    #[query(name = "plan")]
    pub fn plan(&self, _ctx: &WorkflowContextView) -> Planned {
        self.planned.clone()
    }

    #[update_validator(pause)]
    fn check_pause(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        Decision::Pause(read(asked)?).check(&self.progress)?;
        self.hold.check(true)
    }

    /// Holds the container back, unless it is launched.
    #[update(name = "pause")]
    pub fn pause(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _asked: RawValue) -> String {
        self.hold.set(true);
        "paused".to_owned()
    }

    #[update_validator(resume)]
    fn check_resume(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        Decision::Resume(read(asked)?).check(&self.progress)?;
        self.hold.check(false)
    }

    /// Lets it go on.
    #[update(name = "resume")]
    pub fn resume(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _asked: RawValue) -> String {
        self.hold.set(false);
        "resumed".to_owned()
    }

    #[update_validator(extend)]
    fn check_extend(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        Ok(Decision::Extend(read(asked)?).check(&self.progress)?)
    }

    /// Gives one of the clocks more time.
    #[update(name = "extend")]
    pub fn extend(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        Ok(self.granted.grant(&read(&asked)?))
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
        row.settle();
        row.reference = outcome.as_ref().ok().map(|image| image.reference.clone());
        let first = outcome.as_ref().err().and_then(Stop::first);
        row.since = None;
        row.reason = first.map(|one| one.message.clone());
        row.log = first.and_then(|one| one.log.clone());
    });
    // Then nothing is left to be told: that it succeeded is what `Completed` says, and a search
    // attribute more is one more write of the engine's list for each container.
    let is_found = split.resolved.is_some() && ctx.search_attributes().get(&COMMIT).is_some();
    if is_found && outcome.is_ok() {
        return;
    }
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
    show(ctx, |row| row.set(state));
}

/// One run of the workflow.
struct Build<'a> {
    ctx: &'a Ctx,
    plan: &'a ContainerPlan,
    split: &'a Split,
    policy: Policy,
    /// Cancelled with the workflow, and when the whole clock runs out.
    token: WorkflowCancellationToken,
    /// Which one of several platforms, each of which has Pods of its own; empty where there is one
    /// image, and for the container as a whole.
    platform: String,
    /// The platforms, with their attempt, of which a launch was begun and has not answered: it may
    /// create its Pod at any moment.
    launching: Rc<RefCell<BTreeMap<String, u32>>>,
    /// Whether a `render` that gave nothing may have launched the first attempt.
    again: Cell<bool>,
    /// Whether what was made is removed already.
    tidied: Cell<bool>,
    /// Whether the workflow ends with what it has now.
    over: Cell<bool>,
}

/// An image that has been built, and what it took.
struct Done {
    built: Built,
    attempts: u32,
    earlier: Vec<FailedAttempt>,
}

impl<'a> Build<'a> {
    fn new(ctx: &'a Ctx, plan: &'a ContainerPlan, split: &'a Split) -> Self {
        Self {
            ctx,
            plan,
            split,
            policy: Policy::new(ctx.task_queue(), split.settings, Some(plan.work.clocks())),
            token: ctx.cancellation_token().child_token(),
            platform: String::new(),
            launching: Rc::default(),
            again: Cell::new(false),
            tidied: Cell::new(false),
            over: Cell::new(false),
        }
    }

    /// What few builds come to is boxed: thousands wait at once, each as large as its largest path.
    async fn run(&self) -> Result<ContainerImage, Stop> {
        match &self.plan.work {
            Work::Use { image, .. } => Box::pin(self.within_clock(self.use_image(image))).await,
            Work::Build(build) => {
                let outcome = self.within_clock(self.build(build)).await;
                // Nothing was made for what is used again.
                let is_reused = |image: &ContainerImage| image.reused && !self.again.get();
                let is_tidy = |image: &ContainerImage| is_reused(image) || self.tidied.get();
                if !outcome.as_ref().is_ok_and(is_tidy) {
                    Box::pin(self.clean_up(outcome.is_ok())).await;
                }
                outcome
            }
        }
    }

    async fn use_image(&self, image: &str) -> Result<ContainerImage, Stop> {
        let built = self.resolve(image).await?;
        Ok(self.timed(ContainerImage::of(self.plan, &names::repository_of(image), built)))
    }

    async fn build(&self, build: &BuildPlan) -> Result<ContainerImage, Stop> {
        let commit = match self.resolved_commit(&build.source) {
            Some(commit) => commit,
            None => Box::pin(self.fetch(&build.source)).await?,
        };
        set_state(self.ctx, State::Packing);
        let (rendered, context) = if build.reuse.is_some() {
            // An image that is there already needs no context.
            let rendered = Box::pin(self.render_and_launch(&commit, build)).await?;
            if let Some(built) = rendered.reused.clone() {
                return Ok(self.built(build, built, &commit, &rendered));
            }
            let is_built = rendered.launched.as_ref().is_some_and(|it| it.built.is_some());
            // Its worker may be an older one, which leaves that to a step of its own.
            let context = match rendered.context.clone() {
                Some(context) => context,
                None if is_built => Context::default(),
                None => Box::pin(self.upload(build, &commit)).await?,
            };
            (rendered, context)
        } else {
            let both = async { join!(self.render(&commit, false), self.upload(build, &commit)) };
            let (rendered, context) = Box::pin(both).await;
            let (rendered, context) = (rendered?, context?);
            match rendered.reused.clone() {
                Some(built) => return Ok(self.built(build, built, &commit, &rendered)),
                None => (rendered, context),
            }
        };
        let done = match rendered.platforms.as_slice() {
            [] => self.attempts(build, &rendered, &context).await?,
            _ => Box::pin(self.on_every_platform(build, &rendered, &context)).await?,
        };
        let Done { built, attempts, earlier } = done;
        let image = self.built(build, built, &commit, &rendered);
        Ok(ContainerImage { attempts, reused: false, earlier, ..image })
    }

    /// One Pod after the other, until one has made the image or no other one makes sense.
    async fn attempts(
        &self,
        build: &BuildPlan,
        rendered: &Rendered,
        context: &Context,
    ) -> Result<Done, Stop> {
        let mut grants = Grants { resources: build.resources.clone(), growths: 0 };
        let mut earlier = Vec::new();
        for attempt in 1.. {
            let input = self.launch_input(attempt, build, &grants, rendered, context);
            let begun = rendered.launched.clone().filter(|_| attempt == 1);
            let stop = match self.attempt(input, begun).await {
                Ok(built) => return Ok(Done { built, attempts: attempt, earlier }),
                Err(stop) => stop,
            };
            match self.again(&stop, attempt, &grants).await? {
                Some(next) => grants = next,
                None => return Err(stop.after(earlier)),
            }
            earlier.extend(stop.first().map(|failure| FailedAttempt {
                platform: Some(self.platform.clone()).filter(|it| !it.is_empty()),
                ..FailedAttempt::of(attempt, failure)
            }));
            earlier.drain(..earlier.len().saturating_sub(bounds::EARLIER));
        }
        unreachable!("an attempt has a number")
    }

    /// One Pod, from its launch to its end. It may be launched already.
    async fn attempt(&self, input: LaunchInput, begun: Option<Launched>) -> Result<Built, Stop> {
        self.stands(State::Queued, None, Some(input.id.attempt));
        let mut launched = match begun {
            Some(launched) => self.goes_on(launched),
            None => self.launch(input.clone()).await?,
        };
        if let Some(built) = launched.built.take() {
            self.tidied.set(built.tidied);
            self.over.set(built.tidied);
            return Ok(*built);
        }
        self.stands(State::Building, None, None);
        Box::pin(self.await_build(AwaitInput::of(&input, launched))).await
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
            self.stands(State::Queued, why, None);
            let since = Some(now(self.ctx));
            show(self.ctx, |row| row.since = since);
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
        let found = ContainerImage::found(self.plan, build, commit, rendered, built, &self.id(0));
        self.timed(found)
    }

    fn timed(&self, image: ContainerImage) -> ContainerImage {
        ContainerImage { times: Times { total: self.elapsed(), ..image.times }, ..image }
    }

    /// Seconds since the workflow's start, by the engine's clock.
    fn elapsed(&self) -> f64 {
        let now = self.ctx.workflow_time();
        let since = now.and_then(|now| now.duration_since(self.ctx.info().start_time()?).ok());
        since.map_or(0.0, |time| (time.as_secs_f64() * 1000.0).round() / 1000.0)
    }
}
