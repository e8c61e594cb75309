//! The sources of a build, fetched ahead: each distinct one once.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde_json::json;
use temporalio_common::{ActivityDefinition, data_converters::TemporalDeserializable};
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext};

use crate::{
    bounds,
    build::{bounded, id},
    build_id::BuildId,
    execute::execute,
    output::ContainerImage,
    plan::{ComponentPlan, ContainerPlan, GitSource, Plan},
    policy::{FETCHES, Policy, Step},
    release::Release,
    spec::Resolved,
    steps::{FetchInput, FindImagesInput, Split, Steps, TagInput},
};

/// What is known of the sources that are fetched ahead, and which images of theirs are there.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// By [`GitSource::key`].
    commits: BTreeMap<String, Option<String>>,
    found: Vec<Found>,
    found_bytes: usize,
}

/// An image that was there, and when that was known.
#[derive(Debug)]
struct Found {
    image: ContainerImage,
    at: SystemTime,
}

/// How long an image that was there is taken to be there. Who waited longer looks again.
const FRESH: Duration = Duration::from_secs(3600);

impl Sources {
    /// Records the commit of a source; none if the fetch failed. Its containers then fetch it again.
    pub(crate) fn note(&mut self, source: &GitSource, commit: Option<String>) {
        self.commits.insert(source.key(), commit);
    }

    /// Notes images that are there, as far as there is room for them.
    fn note_found(&mut self, images: Vec<ContainerImage>, at: SystemTime) {
        for image in images {
            self.found_bytes += json!(image).to_string().len();
            if self.found_bytes <= bounds::FOUND_BYTES {
                self.found.push(Found { image, at });
            }
        }
    }

    /// Whether nothing more is to be waited for.
    pub(crate) fn know<'a>(&self, mut sources: impl Iterator<Item = &'a GitSource>) -> bool {
        sources.all(|source| self.commits.contains_key(&source.key()))
    }

    /// What a child is handed: no more than it needs.
    pub(crate) fn resolved<'a>(
        &self,
        root: &str,
        sources: impl Iterator<Item = &'a GitSource>,
    ) -> Resolved {
        let commit = |source: &GitSource| Some((source.key(), self.commit(source)?));
        Resolved {
            commits: sources.filter_map(commit).collect(),
            root: root.to_owned(),
            ..Resolved::default()
        }
    }

    /// The commit of a source.
    pub(crate) fn commit(&self, source: &GitSource) -> Option<String> {
        self.commits.get(&source.key())?.clone()
    }

    /// The images of a component that are there already.
    pub(crate) fn found(
        &self,
        component: &str,
        now: SystemTime,
    ) -> impl Iterator<Item = &ContainerImage> {
        let is_fresh =
            move |found: &&Found| now.duration_since(found.at).is_ok_and(|age| age <= FRESH);
        let images = self.found.iter().filter(is_fresh).map(|found| &found.image);
        images.filter(move |image| image.component == component)
    }
}

/// A workflow that someone started, and that fetches for all below it.
pub(crate) trait Fetches {
    /// Its sources.
    fn sources(&mut self) -> &mut Sources;

    /// Whether a container is paused or cancelled. `index` is its place in the component.
    fn is_held_back(&self, component: &str, index: usize, container: &str) -> bool;
}

/// Fetches each source once, and finds the images that its containers have already.
pub(crate) async fn fetch_sources<W: Fetches>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    split: &Split,
    release: &Release,
    group: &WorkflowCancellationToken,
) {
    let sources = split.plan.sources();
    let left = Cell::new(bounds::WANTED_BYTES);
    let ahead = Ahead { ctx, policy, plan: &split.plan, release, group, left };
    bounded(sources, FETCHES, async |source: &GitSource| {
        let commit = ahead.fetch(source).await;
        if let Some(commit) = &commit {
            let found = ahead.find(source, commit).await;
            let now = time(ctx);
            ctx.state_mut(|s| s.sources().note_found(found, now));
        }
        ctx.state_mut(|s| s.sources().note(source, commit));
    })
    .await;
}

/// What a parent does before its children, to save work. The containers repeat what fails here.
struct Ahead<'a, W> {
    ctx: &'a WorkflowContext<W>,
    policy: &'a Policy,
    plan: &'a Plan,
    release: &'a Release,
    group: &'a WorkflowCancellationToken,
    /// Bytes that the plans of the containers to look for may still have.
    left: Cell<usize>,
}

impl<W: Fetches> Ahead<'_, W> {
    async fn fetch(&self, source: &GitSource) -> Option<String> {
        let summary = format!("fetch {}", source.url);
        let input = FetchInput { id: self.id(), source: source.clone() };
        let fetched = self.step(Step::FetchSource, summary, || Steps::fetch_source, input).await;
        Some(fetched?.commit)
    }

    /// The images that are there, with all their tags.
    async fn find(&self, source: &GitSource, commit: &str) -> Vec<ContainerImage> {
        let containers = self.wanted(&source.key());
        if containers.is_empty() {
            return Vec::new();
        }
        let commit = commit.to_owned();
        let package = |one: &ContainerPlan| {
            Some((one.component.clone(), self.release.published(&one.component)?.clone()))
        };
        let published = containers.iter().filter_map(package).collect();
        let input = FindImagesInput { id: self.id(), commit, containers, published };
        let summary = format!("find images of {}", source.url);
        let found = self.step(Step::FindImages, summary, || Steps::find_images, input).await;
        let found = found.map(|found| found.images).unwrap_or_default();
        if found.is_empty() {
            return Vec::new();
        }
        let (images, tags): (Vec<_>, Vec<_>) =
            found.into_iter().map(|ready| (ready.image, ready.tags)).unzip();
        let input = TagInput { id: self.id(), images: tags };
        let summary = format!("tag the images of {}", source.url);
        let tagged = self.step(Step::Tag, summary, || Steps::tag, input).await;
        tagged.map_or_else(Vec::new, |()| images)
    }

    /// The containers of a source to look up, without paused ones and those with bases.
    fn wanted(&self, source: &str) -> Vec<ContainerPlan> {
        let is_free = |component: &ComponentPlan, at: usize, name: &str| {
            !self.ctx.state(|s| s.is_held_back(&component.name, at, name))
        };
        let is_meant = |one: &ContainerPlan| {
            let build = one.work.as_build();
            build.is_some_and(|build| build.from.is_empty() && build.source.key() == source)
        };
        let wanted = self.plan.components.iter().flat_map(|component| {
            let containers = component.containers.iter().enumerate();
            containers.filter(|(at, one)| is_meant(one) && is_free(component, *at, &one.container))
        });
        let version = &self.release.version;
        let versioned =
            |one: &ContainerPlan| ContainerPlan { version: version.clone(), ..one.clone() };
        let wanted: Vec<_> = wanted.map(|(_, one)| versioned(one)).collect();
        match self.left.get().checked_sub(json!(wanted).to_string().len()) {
            Some(left) => self.left.set(left),
            None => return Vec::new(),
        }
        wanted
    }

    async fn step<A>(
        &self,
        step: Step,
        summary: String,
        activity: impl Fn() -> A,
        input: A::Input,
    ) -> Option<A::Output>
    where
        A: ActivityDefinition,
        A::Input: Clone,
        A::Output: TemporalDeserializable,
    {
        let options = || self.policy.options(step, summary.clone(), self.group.clone());
        execute(self.ctx, step, activity, input, options).await.ok()
    }

    fn id(&self) -> BuildId {
        id(self.ctx, &self.plan.app)
    }
}

/// The engine's time.
pub(crate) fn time<W>(ctx: &WorkflowContext<W>) -> SystemTime {
    ctx.workflow_time().unwrap_or(SystemTime::UNIX_EPOCH)
}
