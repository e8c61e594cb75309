//! The steps of a build: all its input and output.
//!
//! A step is a plain async function in a file of its own. What the engine needs of it — a name,
//! heartbeats, a typed failure — is added here, once for all.

pub mod await_build;
pub mod blocking;
pub mod clean_up;
pub mod cluster;
pub mod compare;
pub mod deliver;
pub mod detached;
pub mod dockerfile;
pub mod engine;
pub mod error;
pub mod events;
pub mod executor;
mod fault;
pub mod find;
#[cfg(test)]
mod fixtures;
pub mod index;
pub mod launch;
pub mod lfs;
pub mod log;
pub mod metrics;
pub mod mounts;
pub mod nodes;
pub mod object;
pub mod pack;
pub mod package;
pub mod phase;
pub mod phases;
pub mod pod;
pub mod presigned;
pub mod redact;
pub mod registry;
pub mod registry_auth;
pub mod render;
pub mod reuse;
pub mod secrets;
pub mod seen;
pub mod settings;
pub mod share;
pub mod source;
pub mod split;
pub mod start;
pub mod state;
pub mod store;
pub mod sweep;
pub mod template;
pub mod upload;
pub mod verdict;
pub mod version;

use std::{sync::Arc, time::SystemTime};

use anyhow::Context as _;
use kilnworks_workflows::{
    output::{BuildOutput, Package},
    plan::{Clocks, ContainerPlan},
    progress::State,
    steps::{
        self, AwaitInput, BuildId, Built, CleanUpInput, CompareInput, Context, DeliverInput,
        EngineSettings, FetchInput, Fetched, IndexInput, LaunchInput, Launched, RenderInput,
        Rendered, ResolveInput, Split, SplitInput, UploadInput, VersionInput, Versioned,
    },
    sweep::{SweepInput, SweepReport},
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::{
    await_build::{Awaited, Run},
    cluster::Cluster,
    detached::{Detached, Known, Step, traced},
    engine::{Observer, alone, beating, called, named, telling},
    launch::Past,
    log::Logs,
    object::Site,
    registry::RegistryClient,
    secrets::Secrets,
    settings::{Settings, SweepSettings},
    source::Sources,
    store::ContextStore,
    sweep::{orphan::Owner, owner},
};

/// What the steps work with, opened once a worker.
pub struct Activities {
    engine: EngineSettings,
    sources: Sources,
    store: Box<dyn ContextStore>,
    log_bytes: u64,
    cluster: Cluster,
    registry: RegistryClient,
    sweep: SweepSettings,
    detached: Detached,
    /// Whether this worker launches builds, so that what it renders may be launched here, too.
    launches: bool,
}

impl Activities {
    /// Opens everything, and fails with a remedy where something that a build needs is not there.
    ///
    /// `temporal_namespace` is the id that no other engine's namespace has: by it this
    /// installation's objects are told from those of another one of the same name. `launches` says
    /// whether the worker serves the queue of launches.
    pub async fn open(
        settings: Settings,
        temporal_namespace: &str,
        launches: bool,
    ) -> anyhow::Result<Arc<Self>> {
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
            sweep: settings.sweep,
            detached: Detached::default(),
            launches,
        }))
    }

    /// Leaves the builds that are awaited to another worker.
    pub fn stop(&self) {
        self.detached.stop();
    }

    /// Waits until they are left.
    pub async fn stopped(&self) {
        self.detached.ended().await;
    }

    fn logs(&self) -> Logs<'_> {
        Logs { store: &*self.store, max_bytes: self.log_bytes }
    }
}

fn observer(ctx: &ActivityContext, id: &BuildId) -> Observer {
    // An earlier run of this step may have told something, too.
    let told = id.told || ctx.info().attempt > 1;
    Observer::new(Some(ctx.client()), BuildId { told, ..id.clone() })
}

/// Runs a step of a build, telling the engine that it lives and the build's workflows what ails it.
async fn watched<T>(
    ctx: &ActivityContext,
    id: &BuildId,
    state: State,
    step: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, ActivityError> {
    // Each layer around it would hold it twice, and a thread's stack is small.
    let step = Box::pin(step);
    beating(ctx, telling(ctx, &observer(ctx, id), state, named(id, step))).await
}

impl Activities {
    /// Awaits a build, and removes what it made where it has its image.
    async fn awaited(
        &self,
        input: AwaitInput,
        observer: &mut Observer,
        run: Run,
    ) -> anyhow::Result<Built> {
        let (cluster, registry, logs) = (&self.cluster, &self.registry, self.logs());
        let wait = await_build::await_build(cluster, registry, logs, &input, observer, run);
        // Boxed, as each layer around it would hold it twice.
        let Awaited { built, is_kept } = Box::pin(wait).await?;
        let AwaitInput { id, launched, .. } = input;
        // Nothing else was made by the first run of the first attempt.
        let is_all = run.past == Past::None && id.attempt == 1;
        // Each of several platforms is one of several Pods of its execution.
        let is_whole = id.platform.is_empty();
        let own = CleanUpInput { workflow_id: id.workflow_id, run_id: id.run_id, launching: false };
        let made = clean_up::Made { launched: &launched, is_kept, is_all };
        let tidied = is_whole && Box::pin(clean_up::tidy_up(cluster, logs, own, made)).await;
        Ok(Built { tidied, ..built })
    }
}

impl Activities {
    /// The same beside all steps, by the name of the step that does it alone.
    async fn awaited_of(
        &self,
        ctx: ActivityContext,
        input: AwaitInput,
        mut observer: Observer,
        past: Past,
        leaves_failures: bool,
    ) -> Result<Built, ActivityError> {
        let (id, teller) = (input.id.clone(), self::observer(&ctx, &input.id));
        let run = Run { since: SystemTime::now(), past, leaves_failures };
        let wait = self.awaited(input, &mut observer, run);
        let wait = named(&id, Box::pin(wait));
        let step = async {
            match leaves_failures {
                true => wait.await,
                false => telling(&ctx, &teller, State::Building, wait).await,
            }
        };
        traced(&ctx, "await_build", called(&ctx, "await_build", step)).await
    }

    /// Launches what is rendered, and awaits it, where that can be done at once: see [`detached`].
    fn launch_at_once(
        self: &Arc<Self>,
        ctx: &ActivityContext,
        id: BuildId,
        plan: &ContainerPlan,
        clocks: Clocks,
        rendered: Rendered,
    ) -> Result<Rendered, ActivityError> {
        let build = plan.work.as_build().filter(|_| rendered.platforms.is_empty());
        let (Some(build), Some(context)) = (build, &rendered.context) else { return Ok(rendered) };
        let id = BuildId { attempt: 1, ..id };
        // On the heap, as it is large, and gone long before the build has ended.
        let mut input = Box::new(LaunchInput::of(id, plan, build, &rendered, context));
        input.build.clocks = clocks;
        let (own, context, started) = (self.clone(), ctx.clone(), SystemTime::now());
        let go_on = |known: Known| async move {
            let Some(launched) = own.launched(&context, &input, started).await? else {
                return Ok(None);
            };
            let _ = known.set(launched.clone());
            let mut observer = self::observer(&context, &input.id);
            observer.has(&launched);
            let wait = AwaitInput::of(&input, launched);
            drop(input);
            own.awaited_of(context, wait, observer, Past::None, true).await.map(Some)
        };
        Err(self.detached.go_on(ctx, Step::Render(Box::new(rendered)), go_on))
    }

    /// What an earlier rendering launched, where a heartbeat named it or it has its image. What else
    /// there may be `launch` finds.
    async fn launched_before(
        &self,
        ctx: &ActivityContext,
        id: BuildId,
        plan: &ContainerPlan,
        rendered: Rendered,
    ) -> anyhow::Result<Rendered> {
        let told = ctx.heartbeat_details().deserialize::<Launched>().ok().flatten();
        let mut launched = told.filter(|launched| launched.key == rendered.key);
        if launched.is_none()
            && rendered.reused.is_some()
            && let Some(build) = plan.work.as_build()
        {
            // It may be its own image that is found.
            let id = BuildId { attempt: 1, ..id };
            let input = LaunchInput::of(id, plan, build, &rendered, &Context::default());
            launched = launch::finished(&self.cluster, &self.registry, &input).await?;
        }
        let (again, reused) = (launched.is_none(), rendered.reused.clone());
        Ok(Rendered { launched, again, reused: reused.filter(|_| again), ..rendered })
    }

    async fn launched(
        &self,
        ctx: &ActivityContext,
        input: &LaunchInput,
        started: SystemTime,
    ) -> Result<Option<Launched>, ActivityError> {
        let access = self.store.access(&input.context.key);
        let asked = ctx.clone();
        let wish = move || engine::wish(asked.clone());
        let launch = launch::at_once(&self.cluster, &access, input, started, wish);
        traced(ctx, "launch", called(ctx, "launch", named(&input.id, Box::pin(launch)))).await
    }
}

#[activities]
impl Activities {
    /// Reads a document and says what will be done.
    #[activity(definition = steps::SplitStep)]
    pub async fn split(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: SplitInput,
    ) -> Result<Split, ActivityError> {
        let split = async { split::split(input, self.engine) };
        alone(&ctx, split).await
    }

    /// Finds the commit of a revision and fetches it, and finds what is built of it already.
    #[activity(definition = steps::FetchSource)]
    pub async fn fetch_source(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: FetchInput,
    ) -> Result<Fetched, ActivityError> {
        let id = input.id.clone();
        let executor = self.cluster.site.executor();
        let fetch = async {
            let commit = self.sources.fetch(&input.source).await?;
            let find = find::find(&self.registry, &self.sources, &executor, input, &commit);
            let found = Box::pin(find).await;
            metrics::metrics().found(found.len());
            Ok(Fetched { commit, found })
        };
        watched(&ctx, &id, State::Fetching, fetch).await
    }

    /// Says whether what a document comes to is published already.
    #[activity(definition = steps::Compare)]
    pub async fn compare(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: CompareInput,
    ) -> Result<Option<BuildOutput>, ActivityError> {
        let id = input.id.clone();
        let executor = self.cluster.site.executor();
        let compare = compare::compare(&self.registry, &self.sources, &executor, input);
        watched(&ctx, &id, State::Fetching, compare).await
    }

    /// Renders the Dockerfile as it is at a commit. The context may come along: see
    /// [`RenderInput::with_context`]. So may the launch: see [`RenderInput::launch`].
    #[activity(definition = steps::Render)]
    pub async fn render(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: RenderInput,
    ) -> Result<Rendered, ActivityError> {
        let id = input.id.clone();
        let (plan, clocks) = (input.plan.clone(), input.launch);
        let again = input.again || clocks.is_some() && ctx.info().attempt > 1;
        let executor = self.cluster.site.executor();
        let render = async {
            let context = UploadInput::of(&input);
            let render = render::render(&self.sources, &self.registry, &executor, input);
            let mut rendered = render.await?;
            if let Some(context) = context.filter(|_| rendered.reused.is_none()) {
                let upload = Box::pin(upload::upload(&self.sources, &*self.store, context));
                rendered.context = Some(fault::around("upload", upload).await?);
            }
            match again {
                true => self.launched_before(&ctx, id.clone(), &plan, rendered).await,
                false => Ok(rendered),
            }
        };
        let rendered = watched(&ctx, &id, State::Packing, render).await?;
        let at_once = self.launches && !again && rendered.reused.is_none();
        match clocks.filter(|_| at_once) {
            Some(clocks) => self.launch_at_once(&ctx, id, &plan, clocks, rendered),
            None => Ok(rendered),
        }
    }

    /// Puts the context into the store, unless its key is there already.
    #[activity(definition = steps::Upload)]
    pub async fn upload(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: UploadInput,
    ) -> Result<Context, ActivityError> {
        let id = input.id.clone();
        let upload = upload::upload(&self.sources, &*self.store, input);
        watched(&ctx, &id, State::Packing, upload).await
    }

    /// Waits for room, then creates the Pod or Job. The build may be awaited, too, and then the step
    /// completes without a slot: see [`detached`].
    #[activity(definition = steps::Launch)]
    pub async fn launch(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LaunchInput,
    ) -> Result<Launched, ActivityError> {
        let id = input.id.clone();
        let mut observer = observer(&ctx, &id);
        let started = ctx.info().scheduled_time.unwrap_or_else(SystemTime::now);
        let asked = ctx.clone();
        let wish = move || engine::wish(asked.clone());
        let access = self.store.access(&input.context.key);
        let then = input.with_await.then(|| input.clone());
        let is_first = !input.again && ctx.info().attempt == 1;
        let past = if is_first { Past::None } else { Past::Some };
        let launch = async {
            let finished = async || launch::finished(&self.cluster, &self.registry, &input).await;
            if input.again
                && let Some(finished) = finished().await?
            {
                return Ok(finished);
            }
            let cluster = &self.cluster;
            launch::launch(cluster, &access, input, past, &mut observer, started, wish).await
        };
        let launched = watched(&ctx, &id, State::Queued, launch).await?;
        let Some(input) = then.filter(|_| launched.built.is_none()) else { return Ok(launched) };
        observer.has(&launched);
        let (own, context) = (self.clone(), ctx.clone());
        let input = AwaitInput::of(&input, launched.clone());
        let wait =
            async move { own.awaited_of(context, input, observer, past, false).await.map(Some) };
        Err(self.detached.go_on(&ctx, Step::Launch(launched), |_| wait))
    }

    /// Waits for the end of the executor. After a success nothing of the build is left in the
    /// cluster, unless it cannot be removed now: then `clean_up` is still to come.
    #[activity(definition = steps::AwaitBuild)]
    pub async fn await_build(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AwaitInput,
    ) -> Result<Built, ActivityError> {
        let id = input.id.clone();
        let mut observer = observer(&ctx, &id);
        observer.has(&input.launched);
        let since = ctx.info().scheduled_time.unwrap_or_else(SystemTime::now);
        let run = Run { since, past: Past::Some, leaves_failures: false };
        let wait = self.awaited(input, &mut observer, run);
        watched(&ctx, &id, State::Building, wait).await
    }

    /// Puts the index of the images of several platforms under the tags of the image.
    #[activity(definition = steps::Index)]
    pub async fn index(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: IndexInput,
    ) -> Result<Built, ActivityError> {
        let id = input.id.clone();
        watched(&ctx, &id, State::Building, index::index(&self.registry, input)).await
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
    ) -> Result<Option<Package>, ActivityError> {
        let id = input.id.clone();
        let deliver = deliver::deliver(&self.registry, &self.sources, input);
        watched(&ctx, &id, State::Packing, deliver).await
    }

    /// Says which version a build is to have, and what is published under it already.
    #[activity(definition = steps::CheckVersion)]
    pub async fn check_version(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: VersionInput,
    ) -> Result<Versioned, ActivityError> {
        let id = input.id.clone();
        watched(&ctx, &id, State::Fetching, version::check_version(&self.registry, input)).await
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

    /// Removes what nobody owns any more.
    #[activity(definition = steps::Sweep)]
    pub async fn sweep(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: SweepInput,
    ) -> Result<SweepReport, ActivityError> {
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
        beating(&ctx, sweeping).await
    }
}
