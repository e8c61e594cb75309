//! A container for several platforms: a Pod for each, side by side, and an index of their images.

use std::cell::Cell;

use temporalio_workflow::{WorkflowCancellationToken, join_all};

use super::{Build, Done, show};
use crate::{
    bounds,
    output::PlatformImage,
    plan::BuildPlan,
    policy::Step,
    progress::State,
    steps::{Built, Context, IndexInput, Rendered, RenderedPlatform, Steps},
    stop::Stop,
};

impl<'a> Build<'a> {
    /// The image of each platform, then their index. One platform that fails ends the others: an
    /// index that lacks one is not what was asked for.
    pub(super) async fn on_every_platform(
        &self,
        build: &BuildPlan,
        rendered: &Rendered,
        context: &Context,
    ) -> Result<Done, Stop> {
        let group = self.token.child_token();
        let group = &group;
        let building = rendered.platforms.iter().map(|one| async move {
            let own = self.on(&one.platform, group);
            let outcome = own.one(build, &rendered.of(one), context, one).await;
            if outcome.is_err() {
                group.cancel_with_reason("another platform failed");
            }
            outcome.map_err(|stop| stop.on(&one.platform))
        });
        let outcomes = join_all(building).await;
        let done = all(outcomes)?;
        let images = rendered.platforms.iter().zip(&done).map(|(one, done)| PlatformImage {
            platform: one.platform.clone(),
            digest: done.built.digest.clone(),
            size: done.built.size,
        });
        let built = self.index(build, rendered, images.collect()).await?;
        let pods = done.iter().map(|one| one.built.pod_seconds);
        let pod_seconds = pods.fold(0.0, f64::max);
        let attempts = done.iter().map(|one| one.attempts).sum();
        let mut earlier: Vec<_> = done.into_iter().flat_map(|one| one.earlier).collect();
        earlier.drain(..earlier.len().saturating_sub(bounds::EARLIER));
        Ok(Done { built: Built { pod_seconds, ..built }, attempts, earlier })
    }

    /// The same build for one platform alone, which ends with its group.
    fn on(&self, platform: &str, group: &WorkflowCancellationToken) -> Build<'a> {
        Build {
            ctx: self.ctx,
            plan: self.plan,
            split: self.split,
            policy: self.policy.clone(),
            token: group.clone(),
            platform: platform.to_owned(),
            launching: self.launching.clone(),
            again: Cell::new(false),
            tidied: Cell::new(false),
            over: Cell::new(false),
        }
    }

    /// The image of this platform: one that is there already, or a new one.
    async fn one(
        &self,
        build: &BuildPlan,
        rendered: &Rendered,
        context: &Context,
        one: &RenderedPlatform,
    ) -> Result<Done, Stop> {
        let outcome = match one.reused.clone() {
            Some(built) => Ok(Done { built, attempts: 0, earlier: Vec::new() }),
            None => self.attempts(build, rendered, context).await,
        };
        match &outcome {
            Ok(_) => self.stands(State::Done, None, None),
            Err(Stop::Cancelled) => self.stands(State::Cancelled, None, None),
            Err(_) => self.stands(State::Failed, None, None),
        }
        outcome
    }

    async fn index(
        &self,
        build: &BuildPlan,
        rendered: &Rendered,
        images: Vec<PlatformImage>,
    ) -> Result<Built, Stop> {
        let why = "the index of its platforms is put".to_owned();
        show(self.ctx, |row| (row.state, row.reason) = (State::Building, Some(why)));
        let input = IndexInput {
            id: self.id(0),
            repository: build.repository.clone(),
            tags: rendered.tags.clone(),
            images,
            registry: self.plan.registry.clone(),
        };
        let summary = self.summary("index");
        let options = self.policy().options(Step::Index, summary, self.token.clone());
        Ok(self.ctx.execute_activity(Steps::index, input, options).await?)
    }

    /// Shows where the container stands, or this one of its platforms. Without an attempt it is
    /// still the last one.
    pub(super) fn stands(&self, state: State, why: Option<String>, attempt: Option<u32>) {
        show(self.ctx, |row| match self.platform.as_str() {
            "" => {
                (row.state, row.reason) = (state, why);
                row.attempt = attempt.unwrap_or(row.attempt);
            }
            platform => row.stand(platform, state, why, attempt),
        });
    }
}

/// What every platform came to. Of those that ended without an image the first one that failed
/// tells why: the others were cancelled for it.
fn all(outcomes: Vec<Result<Done, Stop>>) -> Result<Vec<Done>, Stop> {
    let (mut all, mut stop) = (Vec::new(), None);
    for outcome in outcomes {
        match (outcome, &stop) {
            (Ok(done), _) => all.push(done),
            (Err(failed @ Stop::Failed(_)), None | Some(Stop::Cancelled)) => stop = Some(failed),
            (Err(Stop::Cancelled), None) => stop = Some(Stop::Cancelled),
            (Err(_), _) => {}
        }
    }
    stop.map_or(Ok(all), Err)
}
