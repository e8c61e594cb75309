//! Steps that do nothing but what a test says, and note that they ran.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kilnworks_activities::{
    engine::Observer,
    error::{Ended, to_engine},
    split,
};
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    names,
    output::{BuildOutput, ContainerImage, Outcome, Package},
    plan::{self, ContainerPlan, Delivery, Place},
    progress::State,
    steps::{self, *},
    sweep::{SweepInput, SweepReport},
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// What happens to a container.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Its first Pods end so, each once; then it is built.
    Fails(Vec<Failure>),
    /// The same as long as it has not this memory.
    FailsUntil(String, Vec<Failure>),
    /// Its first wait fails, as where a clock runs out that is longer by then.
    FailsAtOnce(FailureType),
    /// Its rendering takes so long that someone may pause it.
    RendersSlowly,
    /// Its launch finds no room until [`FakeSteps::room`].
    Queues,
    /// Its Pod never ends.
    Hangs,
    /// The same, and nobody is told of it.
    HangsInSilence,
    /// The worker that launches or awaits it first is not heard of again.
    LosesItsWorker,
    /// The same, once it has told of the Pod.
    LosesItsWorkerLate,
    /// The same, once a heartbeat has named the Pod.
    LosesItsWorkerHeard,
    /// The same, once its image is there.
    LosesItsWorkerBuilt,
}

/// Steps that do nothing but what a test says.
#[derive(Clone, Default)]
pub struct FakeSteps {
    fates: Arc<Mutex<BTreeMap<String, Fate>>>,
    lost_sources: Arc<Mutex<Vec<String>>>,
    away_sources: Arc<Mutex<Vec<String>>>,
    ran: Arc<Mutex<Vec<String>>>,
    roomy: Arc<Mutex<bool>>,
    memory: Arc<Mutex<BTreeMap<String, String>>>,
    published: Arc<Mutex<Vec<String>>>,
    built: Arc<Mutex<Vec<String>>>,
    found: Arc<Mutex<Vec<String>>>,
    wanted: Arc<Mutex<Vec<String>>>,
    unchanged: Arc<Mutex<Option<String>>>,
    incomparable: bool,
    held: Arc<AtomicBool>,
    launches_alone: bool,
    full: bool,
    moving: bool,
    pub(crate) launch_slots: Option<usize>,
    settings: EngineSettings,
}

impl FakeSteps {
    /// A version that is published. Of these only the patch may differ, below ten.
    pub fn published(self, version: &str) -> Self {
        self.published.lock().unwrap().push(version.to_owned());
        self
    }

    /// So many launches run at once, and none of them ends until [`FakeSteps::go`].
    pub fn hold_launches(mut self, slots: usize) -> Self {
        self.held.store(true, Ordering::SeqCst);
        self.launch_slots = Some(slots);
        self
    }

    /// A launch does not await the build, as where its worker stops.
    pub fn launching_alone(mut self) -> Self {
        self.launches_alone = true;
        self
    }

    /// There is never room for a launch at once: each has a step of its own.
    pub fn full(mut self) -> Self {
        self.full = true;
        self
    }

    /// Each rendering finds newer base images, and so another content key.
    pub fn with_moving_bases(mut self) -> Self {
        self.moving = true;
        self
    }

    /// Launches end.
    pub fn go(&self) {
        self.held.store(false, Ordering::SeqCst);
    }

    /// Whether anything is new cannot be found out.
    pub fn incomparable(mut self) -> Self {
        self.incomparable = true;
        self
    }

    /// Nothing is new since this version.
    pub fn unchanged(self, version: &str) -> Self {
        *self.unchanged.lock().unwrap() = Some(version.to_owned());
        self
    }

    /// A container, as `component/container`, whose image is there already.
    pub fn built(self, container: &str) -> Self {
        self.built.lock().unwrap().push(container.to_owned());
        self
    }

    /// A container, as `component/container`, whose image is found when its source is fetched.
    pub fn found(self, container: &str) -> Self {
        self.found.lock().unwrap().push(container.to_owned());
        self
    }

    /// The containers whose images were looked for when a source was fetched, sorted.
    pub fn wanted(&self) -> Vec<String> {
        let mut wanted = self.wanted.lock().unwrap().clone();
        wanted.sort();
        wanted
    }

    /// A container, as `component/container`, and what happens to it.
    pub fn fate(self, container: &str, fate: Fate) -> Self {
        self.fates.lock().unwrap().insert(container.to_owned(), fate);
        self
    }

    /// A repository that does not exist.
    pub fn lost_source(self, url: &str) -> Self {
        self.lost_sources.lock().unwrap().push(url.to_owned());
        self
    }

    /// A repository whose server is away until [`FakeSteps::back`].
    pub fn away(self, url: &str) -> Self {
        self.away_sources.lock().unwrap().push(url.to_owned());
        self
    }

    /// Every server is there again.
    pub fn back(&self) {
        self.away_sources.lock().unwrap().clear();
    }

    /// There is room for everything.
    pub fn room(&self) {
        *self.roomy.lock().unwrap() = true;
    }

    fn is_queued(&self, name: &str) -> bool {
        let queues = matches!(self.fates.lock().unwrap().get(name), Some(Fate::Queues));
        queues && !*self.roomy.lock().unwrap()
    }

    /// The steps that ran, as `launch web/server`, in their order.
    pub fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap().clone()
    }

    /// How many steps ran whose note begins so.
    pub fn count(&self, beginning: &str) -> usize {
        self.ran().iter().filter(|note| note.starts_with(beginning)).count()
    }

    /// A worker that is not heard of counts as dead after so many seconds.
    pub fn heartbeat(mut self, seconds: u64) -> Self {
        self.settings.heartbeat = seconds;
        self
    }

    fn context(&self, input: &UploadInput) -> Context {
        self.note(format!("upload {}", input.context_dir));
        Context { key: "contexts/0".to_owned(), size: 10, sent: true, ..Context::default() }
    }

    /// The images that are said to be there of those that are wanted.
    fn find(&self, id: &BuildId, commit: &str, wanted: Wanted) -> Vec<ContainerImage> {
        let (_, plan) = plan::read(wanted.kind, wanted.document).expect("a document");
        let plan = plan.of_version(wanted.version);
        let found = self.found.lock().unwrap();
        let look = |container: &ContainerPlan| {
            let name = names::container(&container.component, &container.container);
            self.wanted.lock().unwrap().push(name.clone());
            let build = container.work.as_build().expect("it has a source");
            let tags = vec![names::first_tag(container.version.as_deref(), commit)];
            let rendered = Rendered { tags, ..Rendered::default() };
            let image =
                || ContainerImage::found(container, build, commit, &rendered, built(&name), id);
            found.contains(&name).then(image)
        };
        plan.containers().filter_map(look).collect()
    }

    /// What an await gives that has cleaned up.
    fn tidied(&self, name: &str, id: &BuildId) -> Built {
        // One of several platforms leaves that to its execution.
        let tidied = id.platform.is_empty();
        if tidied {
            self.note(format!("clean up {}", id.workflow_id));
        }
        Built { tidied, ..built(name) }
    }

    /// What becomes of a Pod that is awaited.
    async fn awaited(
        &self,
        ctx: &ActivityContext,
        input: AwaitInput,
    ) -> Result<Built, ActivityError> {
        let name = name_of(&input.id);
        let noted = format!("await {name}");
        self.note(noted.clone());
        let fate = self.fates.lock().unwrap().get(&name).cloned();
        match fate {
            Some(fate @ (Fate::Hangs | Fate::HangsInSilence)) => {
                if matches!(fate, Fate::Hangs) {
                    tell(ctx, &input).await;
                }
                loop {
                    if ctx.is_cancelled() {
                        return Err(ActivityError::cancelled());
                    }
                    let _ = ctx.record_heartbeat(()).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            // Whoever was to complete it does not, and sends no heartbeat.
            Some(Fate::LosesItsWorker) if self.count(&noted) == 1 => {
                Err(ActivityError::WillCompleteAsync)
            }
            Some(Fate::LosesItsWorkerLate) if self.count(&noted) == 1 => {
                tell(ctx, &input).await;
                Err(ActivityError::WillCompleteAsync)
            }
            Some(Fate::LosesItsWorkerHeard) if self.count(&noted) == 1 => {
                let _ = ctx.record_heartbeat(input.launched).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
                Err(ActivityError::WillCompleteAsync)
            }
            Some(Fate::LosesItsWorkerBuilt) if self.count(&noted) == 1 => {
                self.built.lock().unwrap().push(name);
                Err(ActivityError::WillCompleteAsync)
            }
            Some(
                Fate::LosesItsWorker
                | Fate::LosesItsWorkerLate
                | Fate::LosesItsWorkerHeard
                | Fate::LosesItsWorkerBuilt,
            ) => Ok(self.tidied(&name, &input.id)),
            Some(Fate::Fails(failures)) => match failures.get(input.id.attempt as usize - 1) {
                Some(failure) => Err(to_engine(Ended(failure.clone()).into())),
                None => Ok(self.tidied(&name, &input.id)),
            },
            Some(Fate::FailsUntil(wanted, failures)) => {
                let has = self.memory.lock().unwrap().get(&name) == Some(&wanted);
                match failures.get(input.id.attempt as usize - 1).filter(|_| !has) {
                    Some(failure) => Err(to_engine(Ended(failure.clone()).into())),
                    None => Ok(self.tidied(&name, &input.id)),
                }
            }
            Some(Fate::FailsAtOnce(kind)) if self.count(&noted) == 1 => {
                Err(to_engine(Ended(Failure::new(kind, "it took too long")).into()))
            }
            None | Some(Fate::Queues | Fate::RendersSlowly | Fate::FailsAtOnce(_)) => {
                Ok(self.tidied(&name, &input.id))
            }
        }
    }

    /// What is rendered, and launched where there is room at once.
    async fn launched_at_once(
        &self,
        ctx: &ActivityContext,
        input: RenderInput,
        rendered: Rendered,
    ) -> Result<Rendered, ActivityError> {
        let RenderInput { id, plan, launch, again, .. } = input;
        if again || launch.is_some() && ctx.info().attempt > 1 {
            let told = ctx.heartbeat_details().deserialize::<Launched>().ok().flatten();
            let mut launched = told.filter(|launched| launched.key == rendered.key);
            let id = BuildId { attempt: 1, ..id };
            let name = name_of(&id);
            if rendered.reused.is_some() && self.count(&format!("launch {name} ")) > 0 {
                let build = plan.work.as_build().expect("it is built");
                let context = Context::default();
                let own = pod_of(&LaunchInput::of(id, &plan, build, &rendered, &context));
                launched = Some(Launched { built: Some(Box::new(built(&name))), ..own });
            }
            let (again, reused) = (launched.is_none(), rendered.reused.clone());
            return Ok(Rendered { launched, again, reused: reused.filter(|_| again), ..rendered });
        }
        let build = plan.work.as_build().filter(|_| rendered.reused.is_none());
        let (Some(_), Some(build), Some(context)) = (launch, build, &rendered.context) else {
            return Ok(rendered);
        };
        let id = BuildId { attempt: 1, ..id };
        let waits = self.held.load(Ordering::SeqCst) || self.is_queued(&name_of(&id));
        if self.full || waits {
            return Ok(rendered);
        }
        let launch = LaunchInput::of(id, &plan, build, &rendered, context);
        self.note_launch(&launch);
        let launched = Launched { key: rendered.key.clone(), ..pod_of(&launch) };
        let built = match self.launches_alone {
            true => None,
            false => match self.awaited(ctx, AwaitInput::of(&launch, launched.clone())).await {
                Ok(built) => Some(Box::new(built)),
                // What fails is awaited anew.
                Err(ActivityError::Application(_)) => None,
                Err(other) => return Err(other),
            },
        };
        Ok(Rendered { launched: Some(Launched { built, ..launched }), ..rendered })
    }

    /// Notes a launch, and what it has.
    fn note_launch(&self, input: &LaunchInput) {
        let memory = &input.build.resources.memory;
        let spare = if input.spare_memory { " spare" } else { "" };
        let name = name_of(&input.id);
        let again = if input.again { " again" } else { "" };
        self.note(format!("launch {name} {memory}{spare}{again}"));
        self.memory.lock().unwrap().insert(name, memory.clone());
    }

    fn note(&self, text: String) {
        self.ran.lock().unwrap().push(text);
    }
}

/// Tells that a Pod runs.
async fn tell(ctx: &ActivityContext, input: &AwaitInput) {
    let mut observer = Observer::new(Some(ctx.client()), input.id.clone());
    observer.has(&input.launched);
    observer.tell(State::Building, "").await;
}

/// What a launch makes.
fn pod_of(input: &LaunchInput) -> Launched {
    Launched {
        kind: LaunchedKind::Pod,
        namespace: "builds".to_owned(),
        name: format!("pod-{}", input.id.attempt),
        uid: "1".to_owned(),
        joined: None,
        key: None,
        built: None,
    }
}

/// A digest that tells its container.
pub fn digest(container: &str) -> String {
    format!("sha256:{}", kilnworks_workflows::names::hex(container.as_bytes()))
}

fn built(of: &str) -> Built {
    Built {
        digest: digest(of),
        size: 1000,
        platform: "linux/amd64".to_owned(),
        pod_seconds: 1.0,
        platforms: Vec::new(),
        tidied: false,
    }
}

/// What is known of one of several platforms; its image is built where `has` says so of its name.
fn rendered_for(of: &str, platform: &str, has: impl Fn(&String) -> bool) -> RenderedPlatform {
    let name = format!("{of} {platform}");
    RenderedPlatform {
        platform: platform.to_owned(),
        key: Some(names::hex(name.as_bytes())),
        reused: has(&name).then(|| built(&name)),
    }
}

/// `component/container`, and which one of several platforms.
fn name_of(id: &BuildId) -> String {
    let of = if id.platform.is_empty() { "" } else { " " };
    format!("{}/{}{of}{}", id.component, id.container, id.platform)
}

#[activities]
impl FakeSteps {
    #[activity(definition = steps::SplitStep)]
    pub async fn split(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: SplitInput,
    ) -> Result<Split, ActivityError> {
        split::split(input, self.settings).map_err(to_engine)
    }

    #[activity(definition = steps::FetchSource)]
    pub async fn fetch_source(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: FetchInput,
    ) -> Result<Fetched, ActivityError> {
        self.note(format!("fetch {}", input.source.url));
        if self.away_sources.lock().unwrap().contains(&input.source.url) {
            let away = Failure::new(FailureType::SourceUnavailable, "the server is away");
            return Err(to_engine(away.into()));
        }
        if self.lost_sources.lock().unwrap().contains(&input.source.url) {
            let message = format!("there is no repository `{}`", input.source.url);
            return Err(to_engine(Failure::new(FailureType::SourceNotFound, message).into()));
        }
        let commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
        let found = input.wanted.map(|wanted| self.find(&input.id, &commit, wanted));
        Ok(Fetched { commit, found: found.unwrap_or_default() })
    }

    #[activity(definition = steps::Compare)]
    pub async fn compare(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: CompareInput,
    ) -> Result<Option<BuildOutput>, ActivityError> {
        self.note(format!("compare {}", input.id.app));
        if self.incomparable {
            let lost = Failure::new(FailureType::SourceNotFound, "there is no such repository");
            return Err(to_engine(lost.into()));
        }
        let version = self.unchanged.lock().unwrap().clone();
        Ok(version.map(|version| BuildOutput {
            app: input.id.app,
            version: Some(version),
            outcome: Outcome::Unchanged,
            images: Vec::new(),
            package: None,
        }))
    }

    #[activity(definition = steps::Render)]
    pub async fn render(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: RenderInput,
    ) -> Result<Rendered, ActivityError> {
        let name = format!("{}/{}", input.plan.component, input.plan.container);
        let images: Vec<_> = input.images.iter().map(|(of, it)| format!("{of} {it}")).collect();
        self.note(match images.as_slice() {
            [] => format!("render {name}"),
            images => format!("render {name} on {}", images.join(", ")),
        });
        if matches!(self.fates.lock().unwrap().get(&name), Some(Fate::RendersSlowly)) {
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        let has = |name: &String| self.built.lock().unwrap().contains(name);
        let build = input.plan.work.as_build();
        let several = build.map_or(&[][..], |build| build.several());
        let platforms = several.iter().map(|platform| rendered_for(&name, platform, has));
        let platforms: Vec<_> = platforms.collect();
        let all = !several.is_empty() && platforms.iter().all(|one| one.reused.is_some());
        let is_built = has(&name) || all;
        if let Some(published) = input.published.as_ref().filter(|_| !is_built) {
            let message = format!("`{published}` has another image");
            return Err(to_engine(Failure::new(FailureType::VersionExists, message).into()));
        }
        let dockerfile = "FROM scratch\n".to_owned();
        let reused = is_built.then(|| built(&name));
        let renderings = if self.moving { self.count(&format!("render {name}")) } else { 1 };
        let key = Some(names::hex(format!("{name} {renderings}").as_bytes()));
        let upload = UploadInput::of(&input).filter(|_| reused.is_none());
        let context = upload.map(|upload| self.context(&upload));
        let tags = vec!["1".to_owned()];
        let rendered =
            Rendered { dockerfile, tags, reused, key, context, platforms, ..Rendered::default() };
        self.launched_at_once(&ctx, input, rendered).await
    }

    #[activity(definition = steps::Upload)]
    pub async fn upload(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: UploadInput,
    ) -> Result<Context, ActivityError> {
        Ok(self.context(&input))
    }

    #[activity(definition = steps::Launch)]
    pub async fn launch(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LaunchInput,
    ) -> Result<Launched, ActivityError> {
        let name = name_of(&input.id);
        self.note_launch(&input);
        while self.held.load(Ordering::SeqCst) || self.is_queued(&name) {
            if ctx.is_cancelled() {
                return Err(ActivityError::cancelled());
            }
            let _ = ctx.record_heartbeat(()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let launched = pod_of(&input);
        if !input.with_await || self.launches_alone {
            return Ok(launched);
        }
        let wait = AwaitInput::of(&input, launched.clone());
        Ok(Launched { built: Some(Box::new(self.awaited(&ctx, wait).await?)), ..launched })
    }

    #[activity(definition = steps::AwaitBuild)]
    pub async fn await_build(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AwaitInput,
    ) -> Result<Built, ActivityError> {
        self.awaited(&ctx, input).await
    }

    #[activity(definition = steps::Index)]
    pub async fn index(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: IndexInput,
    ) -> Result<Built, ActivityError> {
        let name = name_of(&input.id);
        let of: Vec<_> = input.images.iter().map(|one| one.platform.as_str()).collect();
        let of = of.join(",");
        self.note(format!("index {name} of {of} as {}", input.tags.join(",")));
        let size = input.images.iter().map(|one| one.size).sum();
        Ok(Built { platform: of, platforms: input.images, size, ..built(&name) })
    }

    #[activity(definition = steps::ResolveImage)]
    pub async fn resolve_image(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: ResolveInput,
    ) -> Result<Built, ActivityError> {
        self.note(format!("resolve {}", input.image));
        Ok(built(&input.image))
    }

    #[activity(definition = steps::Deliver)]
    pub async fn deliver(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: DeliverInput,
    ) -> Result<Option<Package>, ActivityError> {
        let name = input.component.unwrap_or(input.app);
        self.note(format!("deliver {name}"));
        self.published.lock().unwrap().extend(input.version);
        let reference = |delivery: Delivery| format!("{}:1", delivery.place.repository);
        Ok(input
            .delivery
            .map(|delivery| Package { reference: reference(delivery), digest: digest(&name) }))
    }

    #[activity(definition = steps::CheckVersion)]
    pub async fn check_version(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: VersionInput,
    ) -> Result<Versioned, ActivityError> {
        let published = self.published.lock().unwrap().clone();
        let version = input.version.unwrap_or_else(|| {
            let next = |patch: u64| format!("1.0.{patch}");
            let after = input.after.unwrap_or_default();
            let is_free = |version: &String| *version > after && !published.contains(version);
            (0..).map(next).find(is_free).unwrap_or_default()
        });
        self.note(format!("look up {version}"));
        let found = published.contains(&version);
        let reference = |place: &Place| names::reference(&place.repository, &digest(&version));
        let published = input.places.iter().map(|place| found.then(|| reference(place)));
        Ok(Versioned { published: published.collect(), version })
    }

    #[activity(definition = steps::CleanUp)]
    pub async fn clean_up(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: CleanUpInput,
    ) -> Result<(), ActivityError> {
        self.note(format!("clean up {}", input.workflow_id));
        Ok(())
    }

    #[activity(definition = steps::Sweep)]
    pub async fn sweep(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: SweepInput,
    ) -> Result<SweepReport, ActivityError> {
        self.note(format!("sweep, dry run {}", input.dry_run));
        let mut report = SweepReport { dry_run: input.dry_run, ..SweepReport::default() };
        report.contexts.add(10);
        Ok(report)
    }
}
