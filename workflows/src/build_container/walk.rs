//! The walk of one container's build.

use std::{cell::Cell, rc::Rc};

use temporalio_workflow::{TimerOptions, TimerResult, WorkflowCancellationToken};

use super::{Ctx, elapsed, show};
use crate::{
    bounds,
    build::now,
    failure::{FailedAttempt, FailureType},
    names,
    output::{ContainerImage, Times},
    plan::{BuildPlan, ContainerPlan, Work},
    policy::{self, Grants, Policy, next_attempt},
    progress::{State, reason},
    steps::{AwaitInput, Awaited, Context, FoundImage, ImageTags, LaunchInput, Rendered, Split},
    stop::Stop,
};

/// One run of the workflow; of several platforms, one of them.
pub(super) struct Walk<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) plan: &'a ContainerPlan,
    pub(super) split: &'a Split,
    pub(super) policy: Policy,
    /// Cancelled with the workflow, and when the whole timeout runs out.
    pub(super) token: WorkflowCancellationToken,
    /// Which one of several platforms; empty where there is one image, and for the container as a
    /// whole.
    pub(super) platform: String,
    /// What was launched, on all platforms.
    pub(super) launches: Rc<Launches>,
}

/// What may be in the cluster.
#[derive(Debug, Default)]
pub(super) struct Launches {
    /// Whether any launch was begun.
    pub(super) any: Cell<bool>,
    /// How many launches have not returned: each may create its Pod at any moment.
    pub(super) open: Cell<u32>,
}

/// An image, and what it took.
pub(super) struct Made {
    pub(super) image: FoundImage,
    /// How many Pods; 0 where the image was there already, or another build made it.
    pub(super) attempts: u32,
    pub(super) earlier: Vec<FailedAttempt>,
}

impl Made {
    pub(super) fn found(image: FoundImage) -> Self {
        Self { image, attempts: 0, earlier: Vec::new() }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(ctx: &'a Ctx, plan: &'a ContainerPlan, split: &'a Split) -> Self {
        Self {
            ctx,
            plan,
            split,
            policy: Policy::new(ctx.task_queue(), split.settings, Some(plan.work.timeouts())),
            token: ctx.cancellation_token().child_token(),
            platform: String::new(),
            launches: Rc::default(),
        }
    }

    pub(super) async fn run(&self) -> Result<ContainerImage, Stop> {
        let outcome = match &self.plan.work {
            Work::Use { image, .. } => self.within_whole(self.resolve(image)).await,
            Work::Build(build) => self.within_whole(self.build(build)).await,
        };
        if self.launches.any.get() {
            self.clean_up().await;
        }
        outcome
    }

    async fn build(&self, build: &BuildPlan) -> Result<ContainerImage, Stop> {
        let commit = self.fetch_source(build).await?;
        let rendered = self.render(&commit).await?;
        let found = self.find_image(&rendered).await?;
        let made = match found.image {
            Some(image) => Made::found(image),
            None => {
                let context = match found.is_of_every_platform() {
                    true => Context::default(),
                    false => self.upload(build, &commit).await?,
                };
                match build.several() {
                    [] => self.attempts(build, &commit, &rendered, context).await?,
                    _ => {
                        let found = found.platforms;
                        self.platforms(build, &commit, &rendered, &context, found).await?
                    }
                }
            }
        };
        self.tag(&rendered, &made.image).await?;
        Ok(self.image(build, &commit, &rendered, made))
    }

    /// An image that is used as it is.
    async fn resolve(&self, image: &str) -> Result<ContainerImage, Stop> {
        let built = self.resolve_image(image).await?;
        Ok(self.timed(ContainerImage::of(self.plan, &names::repository_of(image), built)))
    }

    /// One Pod after the other, until one has made the image or no other one makes sense.
    pub(super) async fn attempts(
        &self,
        build: &BuildPlan,
        commit: &str,
        rendered: &Rendered,
        mut context: Context,
    ) -> Result<Made, Stop> {
        let mut grants = Grants { resources: build.resources.clone(), growths: 0 };
        let mut earlier = Vec::new();
        for attempt in 1.. {
            let input = self.launch_input(attempt, build, &grants, rendered, &context);
            let stop = match self.attempt(input).await {
                Ok(made) => return Ok(Made { earlier, ..made }),
                Err(stop) => stop,
            };
            self.ctx.state_mut(|s| s.pause.note(&self.platform, false));
            match self.next(build, &stop, attempt, &grants).await? {
                Some(next) => grants = next,
                None => return Err(stop.after(earlier)),
            }
            earlier.extend(stop.first().map(|failure| FailedAttempt {
                platform: Some(self.platform.clone()).filter(|it| !it.is_empty()),
                ..FailedAttempt::of(attempt, failure)
            }));
            earlier.drain(..earlier.len().saturating_sub(bounds::EARLIER));
            if stop.first().is_some_and(|it| it.kind == FailureType::StoreUnavailable) {
                // The store may have lost the context. Where it has it, this costs a look.
                context = self.upload(build, commit).await?;
            }
        }
        unreachable!("an attempt has a number")
    }

    /// One Pod, from its launch to its end. Where another build's Pod made no image, an own Pod.
    async fn attempt(&self, mut input: LaunchInput) -> Result<Made, Stop> {
        loop {
            self.stands(State::Queued, None, Some(input.id.attempt));
            let launched = self.launch(input.clone()).await?;
            self.stands(State::Building, None, None);
            let repository = names::repository_of(&launched.pushes);
            let attempts = input.id.attempt - u32::from(launched.is_others);
            match self.await_build(AwaitInput::of(&input, launched, now(self.ctx))).await? {
                Awaited::Built(built) => {
                    let image = FoundImage { repository, built };
                    return Ok(Made { image, attempts, earlier: Vec::new() });
                }
                Awaited::NoImage => input.alone = true,
                // The next build of this image may be waited for in turn.
                Awaited::Gone => {}
            }
        }
    }

    /// What the next attempt may use, after its pause, where a next one makes sense.
    async fn next(
        &self,
        build: &BuildPlan,
        stop: &Stop,
        attempt: u32,
        grants: &Grants,
    ) -> Result<Option<Grants>, Stop> {
        let Some(failure) = stop.first() else { return Ok(None) };
        let share = bounds::ATTEMPTS / build.several().len().max(1) as u32;
        let next = next_attempt(failure.kind, attempt, grants, &self.split.settings, share);
        let Some(next) = next else { return Ok(None) };
        if let Some(pause) = policy::pause(failure.kind, attempt) {
            let token = self.token.clone();
            let timer = TimerOptions::builder(pause)
                .cancellation_token(token)
                .summary("before the next attempt".to_owned())
                .build();
            self.stands(State::Queued, Some(reason(&failure.message)), None);
            let since = Some(now(self.ctx));
            show(self.ctx, |row| row.since = since);
            if self.ctx.timer(timer).await == TimerResult::Cancelled {
                return Err(Stop::Cancelled);
            }
        }
        Ok(Some(next))
    }

    /// What the build returns of its image.
    fn image(
        &self,
        build: &BuildPlan,
        commit: &str,
        rendered: &Rendered,
        made: Made,
    ) -> ContainerImage {
        let Made { image, attempts, earlier } = made;
        let id = self.id(0);
        let image = ContainerImage::found(self.plan, build, commit, rendered, image.built, &id);
        self.timed(ContainerImage { attempts, reused: attempts == 0, earlier, ..image })
    }

    fn timed(&self, image: ContainerImage) -> ContainerImage {
        ContainerImage { times: Times { total: elapsed(self.ctx), ..image.times }, ..image }
    }

    async fn tag(&self, rendered: &Rendered, image: &FoundImage) -> Result<(), Stop> {
        self.write_tags(ImageTags::of(self.plan, rendered, image).into_iter().collect()).await
    }
}
