//! The steps of a build: all its input and output.
//!
//! This file only registers the steps with Temporal. [`steps`] contains them, in the order of the walk.
//! ARCHITECTURE.md lists the other rooms.

pub mod blocking;
pub mod cluster;
pub mod context;
pub mod dockerfile;
pub mod error;
mod fault;
#[cfg(test)]
#[path = "tests/fixtures.rs"]
mod fixtures;
pub mod image;
pub mod log;
pub mod metrics;
pub mod package;
pub mod pod;
pub mod registry;
pub mod render;
pub mod secrets;
pub mod settings;
pub mod source;
pub mod start;
pub mod state;
pub mod steps;
pub mod store;
pub mod sweep;
mod template;
pub mod temporal;
mod turn;

use std::sync::Arc;

use kilnworks_workflows::{
    build_id::BuildId,
    output::{BuildOutput, Package},
    progress::State,
    steps::{
        self as contract, AwaitInput, Awaited, Built, CleanUpInput, CompareInput, Context,
        DeliverInput, FetchInput, Fetched, FindImageInput, FindImagesInput, FoundImages,
        IndexInput, LaunchInput, Launched, ReadyImages, RenderInput, Rendered, ResolveInput, Split,
        SplitInput, SweepInput, SweepReport, TagInput, UploadInput, VersionInput, Versioned,
    },
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

pub use self::state::Activities;
use crate::{
    package::deliver::deliver,
    pod::access::Access,
    steps::{await_build::Await, finder::Finder},
    sweep::{orphan::Owner, owner},
    temporal::{Observer, plain, status, watched},
};

impl Activities {
    fn finder<'a>(&'a self, executor: &'a str, id: &BuildId) -> Finder<'a> {
        Finder { registry: &self.registry, sources: &self.sources, executor, id: id.clone() }
    }
}

#[activities]
impl Activities {
    /// Reads a document and returns what will be done.
    #[activity(definition = contract::SplitStep)]
    pub async fn split(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: SplitInput,
    ) -> Result<Split, ActivityError> {
        let split = async { steps::split::split(input, self.engine) };
        plain(&ctx, &BuildId::default(), split).await
    }

    /// Returns the version that a build is to have, and what is published under it.
    #[activity(definition = contract::CheckVersion)]
    pub async fn check_version(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: VersionInput,
    ) -> Result<Versioned, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let check = steps::check_version::check_version(&self.registry, input);
        watched(&ctx, &observer, State::Fetching, check).await
    }

    /// Returns what is published where it is what a document describes.
    #[activity(definition = contract::Compare)]
    pub async fn compare(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CompareInput,
    ) -> Result<Option<BuildOutput>, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let executor = self.cluster.site.executor();
        let compare = steps::compare::compare(self.finder(&executor, &input.id), input);
        watched(&ctx, &observer, State::Fetching, compare).await
    }

    /// Returns the commit of a revision, and fetches it into the cache.
    #[activity(definition = contract::FetchSource)]
    pub async fn fetch_source(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: FetchInput,
    ) -> Result<Fetched, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let fetch = steps::fetch_source::fetch_source(&self.sources, input);
        watched(&ctx, &observer, State::Fetching, fetch).await
    }

    /// Returns which containers of a source have an image already.
    #[activity(definition = contract::FindImages)]
    pub async fn find_images(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: FindImagesInput,
    ) -> Result<ReadyImages, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let executor = self.cluster.site.executor();
        let find = async {
            let finder = self.finder(&executor, &input.id);
            let found = steps::find_images::find_images(finder, input).await;
            metrics::metrics().found(found.images.len());
            Ok(found)
        };
        watched(&ctx, &observer, State::Fetching, find).await
    }

    /// Renders the Dockerfile, pins its base images, and computes the content key.
    #[activity(definition = contract::Render)]
    pub async fn render(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: RenderInput,
    ) -> Result<Rendered, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let executor = self.cluster.site.executor();
        let render = steps::render::render(&self.sources, &self.registry, &executor, input);
        watched(&ctx, &observer, State::Packing, render).await
    }

    /// Looks for an image by its content key.
    #[activity(definition = contract::FindImage)]
    pub async fn find_image(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: FindImageInput,
    ) -> Result<FoundImages, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let find = steps::find_image::find_image(&self.registry, &input);
        watched(&ctx, &observer, State::Packing, find).await
    }

    /// Puts the context into the store, unless its key is there already.
    #[activity(definition = contract::Upload)]
    pub async fn upload(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: UploadInput,
    ) -> Result<Context, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let upload = steps::upload::upload(&self.sources, &*self.store, input);
        watched(&ctx, &observer, State::Packing, upload).await
    }

    /// Waits for room, then creates the Pod or Job.
    #[activity(definition = contract::Launch)]
    pub async fn launch(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LaunchInput,
    ) -> Result<Launched, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let access = Access::of(self.store.location(&input.context.key));
        let asked = ctx.clone();
        let status = move || status(asked.clone());
        let launch = steps::launch::launch(&self.cluster, &access, &input, &observer, status);
        watched(&ctx, &observer, State::Queued, self.until_stopped(launch)).await
    }

    /// Waits for the end of the executor.
    #[activity(definition = contract::AwaitBuild)]
    pub async fn await_build(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AwaitInput,
    ) -> Result<Awaited, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let asked = ctx.clone();
        let status = move || status(asked.clone());
        let with = Await {
            cluster: &self.cluster,
            registry: &self.registry,
            logs: self.logs(),
            observer: &observer,
        };
        let wait = steps::await_build::await_build(with, &input, status);
        watched(&ctx, &observer, State::Building, self.until_stopped(wait)).await
    }

    /// Puts the index of the images of several platforms.
    #[activity(definition = contract::Index)]
    pub async fn index(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: IndexInput,
    ) -> Result<Built, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let index = steps::index::index(&self.registry, input);
        watched(&ctx, &observer, State::Building, index).await
    }

    /// Gives images the names and tags of their builds.
    #[activity(definition = contract::Tag)]
    pub async fn tag(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: TagInput,
    ) -> Result<(), ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let tag = steps::tag::tag(&self.registry, input);
        watched(&ctx, &observer, State::Building, tag).await
    }

    /// Deletes every object in the cluster that this execution made.
    #[activity(definition = contract::CleanUp)]
    pub async fn clean_up(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CleanUpInput,
    ) -> Result<(), ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let clean_up = steps::clean_up::clean_up(&self.cluster, self.logs(), &input);
        watched(&ctx, &observer, State::Building, clean_up).await
    }

    /// Looks up an image that is used as it is.
    #[activity(definition = contract::ResolveImage)]
    pub async fn resolve_image(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: ResolveInput,
    ) -> Result<Built, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let resolve =
            steps::resolve_image::resolve_image(&self.registry, &input.image, &input.registry);
        watched(&ctx, &observer, State::Fetching, resolve).await
    }

    /// Publishes the package of a component or an app.
    #[activity(definition = contract::Deliver)]
    pub async fn deliver(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: DeliverInput,
    ) -> Result<Option<Package>, ActivityError> {
        let observer = Observer::new(&ctx, &input.id);
        let deliver = deliver(&self.registry, &self.sources, input);
        watched(&ctx, &observer, State::Packing, deliver).await
    }

    /// Deletes what no build owns any more.
    #[activity(definition = contract::Sweep)]
    pub async fn sweep(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: SweepInput,
    ) -> Result<SweepReport, ActivityError> {
        let observer = Observer::new(&ctx, &BuildId::default());
        let client = ctx.client();
        let own = ctx.info().workflow_id.clone();
        let ask = |owner: Owner| {
            let client = client.clone();
            async move { owner::ask(&client, &owner).await }
        };
        let sweeping = async {
            owner::check(&client, &own.unwrap_or_default()).await?;
            sweep::sweep(&self.cluster, self.logs(), &self.sweep, input, ask).await
        };
        watched(&ctx, &observer, State::Fetching, sweeping).await
    }
}
