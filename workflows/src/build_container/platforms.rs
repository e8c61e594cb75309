//! A container for several platforms: a Pod for each, side by side, and an index of their images.

use temporalio_workflow::{WorkflowCancellationToken, join_all};

use super::{
    show,
    walk::{Made, Walk},
};
use crate::{
    bounds,
    output::PlatformImage,
    plan::BuildPlan,
    policy::Step,
    progress::State,
    steps::{
        Built, Context, FoundImage, IndexInput, PlatformSource, Rendered, RenderedPlatform, Steps,
    },
    stop::Stop,
};

impl<'a> Walk<'a> {
    /// The image of each platform, then their index. The first platform that fails ends the others:
    /// an index that lacks one is not what was asked for. `found` are the images that are there.
    pub(super) async fn platforms(
        &self,
        build: &BuildPlan,
        commit: &str,
        rendered: &Rendered,
        context: &Context,
        found: Vec<Option<FoundImage>>,
    ) -> Result<Made, Stop> {
        let group = &self.token.child_token();
        let found = found.into_iter().chain(std::iter::repeat(None));
        let building = rendered.platforms.iter().zip(found).map(|(one, found)| async move {
            let own = self.on(&one.platform, group);
            let outcome = own.one(build, commit, &rendered.of(one), context, found).await;
            if outcome.is_err() {
                group.cancel_with_reason("another platform failed");
            }
            outcome.map_err(|stop| stop.on(&one.platform))
        });
        let made = all(join_all(building).await)?;
        let images = rendered.platforms.iter().zip(&made);
        let built =
            self.index(build, images.map(|(one, made)| source(one, made)).collect()).await?;
        let seconds = made.iter().map(|one| one.image.built.pod_seconds).fold(0.0, f64::max);
        let attempts = made.iter().map(|one| one.attempts).sum();
        let mut earlier: Vec<_> = made.into_iter().flat_map(|one| one.earlier).collect();
        earlier.drain(..earlier.len().saturating_sub(bounds::EARLIER));
        let built = Built { pod_seconds: seconds, ..built };
        let image = FoundImage { repository: build.repository.clone(), built };
        Ok(Made { image, attempts, earlier })
    }

    /// The same build for one platform alone, which ends with its group.
    fn on(&self, platform: &str, group: &WorkflowCancellationToken) -> Walk<'a> {
        Walk {
            ctx: self.ctx,
            plan: self.plan,
            split: self.split,
            policy: self.policy.clone(),
            token: group.clone(),
            platform: platform.to_owned(),
            launches: self.launches.clone(),
        }
    }

    /// The image of this platform: one that is there already, or a new one.
    async fn one(
        &self,
        build: &BuildPlan,
        commit: &str,
        rendered: &Rendered,
        context: &Context,
        found: Option<FoundImage>,
    ) -> Result<Made, Stop> {
        let outcome = match found {
            Some(image) => {
                self.ctx.state_mut(|s| s.pause.note(&self.platform, true));
                Ok(Made::found(image))
            }
            None => self.attempts(build, commit, rendered, context.clone()).await,
        };
        match &outcome {
            Ok(_) => self.stands(State::Done, None, None),
            Err(Stop::Cancelled) => self.stands(State::Cancelled, None, None),
            Err(_) => self.stands(State::Failed, None, None),
        }
        outcome
    }

    async fn index(&self, build: &BuildPlan, images: Vec<PlatformSource>) -> Result<Built, Stop> {
        let why = "the index of its platforms is put".to_owned();
        show(self.ctx, |row| (row.state, row.reason) = (State::Building, Some(why)));
        let input = IndexInput {
            id: self.id(0),
            repository: build.repository.clone(),
            images,
            registry: self.plan.registry.clone(),
        };
        self.step(Step::Index, "put the index of", || Steps::index, input).await
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

fn source(one: &RenderedPlatform, made: &Made) -> PlatformSource {
    let FoundImage { repository, built } = &made.image;
    let image = PlatformImage {
        platform: one.platform.clone(),
        digest: built.digest.clone(),
        size: built.size,
    };
    PlatformSource { repository: repository.clone(), image }
}

/// What every platform made. Of those that ended without an image the first one that failed says why:
/// the others were cancelled for it.
fn all(outcomes: Vec<Result<Made, Stop>>) -> Result<Vec<Made>, Stop> {
    let (mut all, mut stop) = (Vec::new(), None);
    for outcome in outcomes {
        match (outcome, &stop) {
            (Ok(made), _) => all.push(made),
            (Err(failed @ Stop::Failed(_)), None | Some(Stop::Cancelled)) => stop = Some(failed),
            (Err(Stop::Cancelled), None) => stop = Some(Stop::Cancelled),
            (Err(_), _) => {}
        }
    }
    stop.map_or(Ok(all), Err)
}
