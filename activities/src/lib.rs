//! The steps of a build: all its input and output.
//!
//! A step is a plain async function in a file of its own. What the engine needs of it — a name,
//! heartbeats, a typed failure — is added here, once for all.

pub mod await_build;
pub mod blocking;
pub mod clean_up;
pub mod cluster;
pub mod deliver;
pub mod dockerfile;
pub mod engine;
pub mod error;
pub mod events;
pub mod executor;
#[cfg(test)]
mod fixtures;
pub mod launch;
pub mod lfs;
pub mod log;
pub mod mounts;
pub mod object;
pub mod pack;
pub mod phase;
pub mod pod;
pub mod redact;
pub mod registry;
pub mod registry_auth;
pub mod render;
pub mod secrets;
pub mod settings;
pub mod source;
pub mod split;
pub mod start;
pub mod store;
pub mod template;
pub mod upload;
pub mod verdict;

use std::{sync::Arc, time::SystemTime};

use anyhow::Context as _;
use kilnworks_workflows::{
    output::Package,
    steps::{
        self, AwaitInput, BuildId, Built, CleanUpInput, Context, DeliverInput, EngineSettings,
        FetchInput, Fetched, LaunchInput, Launched, RenderInput, Rendered, ResolveInput, Split,
        SplitInput, UploadInput,
    },
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::{
    cluster::Cluster,
    engine::{Observer, beating, is_wanted},
    error::to_engine,
    log::Logs,
    object::Site,
    registry::RegistryClient,
    secrets::Secrets,
    settings::Settings,
    source::Sources,
    store::ContextStore,
};

/// What the steps work with, opened once a worker.
pub struct Activities {
    engine: EngineSettings,
    sources: Sources,
    store: Box<dyn ContextStore>,
    log_bytes: u64,
    cluster: Cluster,
    registry: RegistryClient,
}

impl Activities {
    /// Opens everything, and fails with a remedy where something that a build needs is not there.
    pub async fn open(settings: Settings, temporal_namespace: &str) -> anyhow::Result<Arc<Self>> {
        let namespace = settings.cluster.namespace.clone();
        let site = Site::new(settings.cluster, temporal_namespace, &settings.install)?;
        let client = cluster::connect().await?;
        start::check_namespace(&client, &namespace).await?;
        start::check_rights(&client, &namespace).await?;
        let secrets = Secrets::Cluster { client: client.clone(), namespace: namespace.clone() };
        let sources = Sources::open(&settings.cache_dir, settings.cache_bytes, secrets)?;
        let store = store::open(&settings.store).await?;
        // Asked for something that is not there, a store tells what is wrong with itself.
        store.read("start").await.context("the store cannot be used")?;
        start::check_mounts(&client, &namespace, &store.access("start")).await?;
        Ok(Arc::new(Self {
            engine: EngineSettings {
                heartbeat: settings.heartbeat,
                max_attempts: settings.max_attempts,
            },
            sources,
            store,
            log_bytes: settings.log_bytes,
            registry: RegistryClient::new(client.clone(), &namespace),
            cluster: Cluster::new(client, site),
        }))
    }

    fn logs(&self) -> Logs<'_> {
        Logs { store: &*self.store, max_bytes: self.log_bytes }
    }
}

fn observer(ctx: &ActivityContext, id: &BuildId) -> Observer {
    Observer::new(Some(ctx.client()), id.clone())
}

#[activities]
impl Activities {
    /// Reads a document and says what will be done.
    #[activity(definition = steps::SplitStep)]
    pub async fn split(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: SplitInput,
    ) -> Result<Split, ActivityError> {
        split::split(input, self.engine).map_err(to_engine)
    }

    /// Finds the commit of a revision and fetches it.
    #[activity(definition = steps::FetchSource)]
    pub async fn fetch_source(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: FetchInput,
    ) -> Result<Fetched, ActivityError> {
        beating(&ctx, self.sources.fetch(&input.source)).await
    }

    /// Renders the Dockerfile as it is at a commit.
    #[activity(definition = steps::Render)]
    pub async fn render(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: RenderInput,
    ) -> Result<Rendered, ActivityError> {
        beating(&ctx, render::render(&self.sources, input)).await
    }

    /// Puts the context into the store, unless its key is there already.
    #[activity(definition = steps::Upload)]
    pub async fn upload(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: UploadInput,
    ) -> Result<Context, ActivityError> {
        beating(&ctx, upload::upload(&self.sources, &*self.store, input)).await
    }

    /// Waits for room, then creates the Pod or Job.
    #[activity(definition = steps::Launch)]
    pub async fn launch(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LaunchInput,
    ) -> Result<Launched, ActivityError> {
        let mut observer = observer(&ctx, &input.id);
        let started = ctx.info().scheduled_time.unwrap_or_else(SystemTime::now);
        let asked = ctx.clone();
        let wanted = move || is_wanted(asked.clone());
        let access = self.store.access(&input.context.key);
        let launch = launch::launch(&self.cluster, &access, input, &mut observer, started, wanted);
        beating(&ctx, launch).await
    }

    /// Waits for the end of the executor.
    #[activity(definition = steps::AwaitBuild)]
    pub async fn await_build(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AwaitInput,
    ) -> Result<Built, ActivityError> {
        let mut observer = observer(&ctx, &input.id);
        let (cluster, registry) = (&self.cluster, &self.registry);
        let logs = self.logs();
        beating(&ctx, await_build::await_build(cluster, registry, logs, input, &mut observer)).await
    }

    /// Looks up an image that is used as it is.
    #[activity(definition = steps::ResolveImage)]
    pub async fn resolve_image(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: ResolveInput,
    ) -> Result<Built, ActivityError> {
        beating(&ctx, registry::resolve_image(&self.registry, input)).await
    }

    /// Makes the package of a component or an app.
    #[activity(definition = steps::Deliver)]
    pub async fn deliver(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: DeliverInput,
    ) -> Result<Package, ActivityError> {
        beating(&ctx, deliver::deliver(&*self.store, input)).await
    }

    /// Removes every object in the cluster that this execution made.
    #[activity(definition = steps::CleanUp)]
    pub async fn clean_up(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CleanUpInput,
    ) -> Result<(), ActivityError> {
        beating(&ctx, clean_up::clean_up(&self.cluster, self.logs(), input)).await
    }
}
