//! `BuildApp`: an app's components, and their package.

mod decide;
mod parts;

use std::{collections::BTreeMap, time::SystemTime};

use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext, WorkflowContextView,
    WorkflowResult, join, join_all,
};

use crate::{
    bases::{Bases, waits_for},
    bounds,
    build::{OUTCOME, attributes, bounded, child, json_of, split, summary},
    build_component::BuildComponent,
    consent,
    decision::{Approve, Decision, Refusal, read},
    document::Kind,
    failure::{FailedAttempt, Failure, FailureDetails, tail},
    output::{BuildOutput, ContainerImage, Outcome, Package},
    plan::{GitSource, Outline, OutlinedComponent, Registry},
    planned::Planned,
    policy::{FETCHES, Policy, Step},
    progress::{Progress, State},
    release::{Release, release},
    spec::Resolved,
    steps::{BuildId, DeliverInput, Delivered, FetchInput, Steps},
    stop::Stop,
    unchanged::{settle, unchanged},
};
use parts::Parts;

/// An app's components, and their package.
#[workflow]
#[derive(Debug, Default)]
pub struct BuildApp {
    progress: Progress,
    /// How many more containers may be in flight.
    free: usize,
    /// Whether one has failed where that ends the others.
    ended: bool,
    sources: Sources,
    bases: Bases,
    planned: Planned,
    parts: Parts,
    consent: Option<Approve>,
}

#[workflow_methods]
impl BuildApp {
    /// Input: a [`crate::spec::AppSpec`], raw, so that a wrong one is told and not retried.
    #[run(name = "BuildApp")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        input: RawValue,
    ) -> WorkflowResult<BuildOutput> {
        let (input, split) = split(ctx, Kind::App, &input).await?;
        let outline = &split.outline;
        ctx.upsert_search_attributes(attributes(
            &outline.app,
            outline.version.as_deref(),
            None,
            None,
        ));
        ctx.state_mut(|s| {
            s.progress = Progress::of(outline);
            s.planned = Planned::of(outline);
            s.parts = Parts::of(outline);
            s.free = outline.max_parallel as usize;
        });
        let policy = Policy::new(ctx.task_queue(), split.settings, None);
        show(ctx, |progress| progress.set_all(State::Fetching));
        if let Some(output) = unchanged(ctx, &policy, Kind::App, &input, &split).await? {
            show(ctx, |progress| settle(progress, &output));
            return Ok(output);
        }
        let release = release(ctx, &policy, &split).await?;
        ctx.state_mut(|s| s.progress.version = release.version.clone());
        let group = ctx.cancellation_token().child_token();
        let fetching = fetch_sources(ctx, &policy, outline, &group, |key, commit| {
            ctx.state_mut(|s| s.sources.note(key, commit));
        });
        let components = outline.components.iter().enumerate();
        let building = join_all(components.map(|(index, component)| {
            let mut document = json!({
                "app": input["app"],
                "version": release.version,
                "defaults": input["defaults"],
                "maxParallel": outline.max_parallel,
                "failFast": outline.fail_fast,
                "component": input["components"][index],
            });
            if !outline.on_failure.is_default() {
                document["onFailure"] = json!(outline.on_failure);
            }
            build_one(ctx, outline, &release, &group, component, document)
        }));
        let ((), outcomes) = join!(fetching, building);
        let packages: Vec<_> =
            outcomes.iter().map(|one| one.as_ref().ok()?.package.clone()).collect();
        let packages =
            outline.components.iter().zip(packages).filter_map(|(component, package)| {
                Some(Delivered { place: component.place.clone()?, package: package? })
            });
        let mut ending = Ending::of(outcomes, ctx.cancellation_token().is_cancelled());
        if ending.is_complete() && outline.approval.is_some() {
            ending.consent(consent::wait(ctx).await);
        }
        if ending.is_complete() {
            let components = { packages }.collect();
            let source = outline.delivery.as_ref().and_then(|delivery| delivery.source.as_ref());
            let commit = source.and_then(|it| ctx.state(|s| s.sources.commit(&it.key())));
            let made = Deliverable { components, commit, ..Deliverable::default() };
            ending.deliver(deliver(ctx, &policy, outline, &release, made).await);
        }
        release.end();
        ctx.upsert_search_attributes([OUTCOME.value_set(ending.word())]);
        Ok(ending.output(&outline.app, release.version.as_deref())?)
    }

    /// Where the build stands.
    #[query(name = "progress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> Progress {
        self.progress.clone()
    }

    /// What a step saw a container wait for.
    #[signal(name = "observed")]
    pub fn observed(&mut self, ctx: &mut SyncWorkflowContext<Self>, seen: RawValue) {
        self.progress.observe(json_of(&seen));
        ctx.set_current_details(self.progress.markdown());
    }

    /// What a component says to a decision that was passed on to it.
    #[signal(name = "answered")]
    pub fn answered(&mut self, _ctx: &mut SyncWorkflowContext<Self>, answer: RawValue) {
        self.parts.note(json_of(&answer));
    }

    /// What will be done: names, sources, order.
    #[query(name = "plan")]
    pub fn plan(&self, _ctx: &WorkflowContextView) -> Planned {
        self.planned.clone()
    }

    #[update_validator(pause)]
    fn check_pause(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        self.check(&Decision::Pause(read(asked)?))
    }

    /// Holds back what is not launched yet.
    #[update(name = "pause")]
    pub async fn pause(
        ctx: &mut WorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        decide::follow(ctx, Decision::Pause(read(&asked)?)).await
    }

    #[update_validator(resume)]
    fn check_resume(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        self.check(&Decision::Resume(read(asked)?))
    }

    /// Lets go on what was held back.
    #[update(name = "resume")]
    pub async fn resume(
        ctx: &mut WorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        decide::follow(ctx, Decision::Resume(read(&asked)?)).await
    }

    #[update_validator(cancel_container)]
    fn check_cancel_container(
        &self,
        _ctx: &WorkflowContextView,
        asked: &RawValue,
    ) -> Result<(), Refusal> {
        self.check(&Decision::Cancel(read(asked)?))
    }

    /// Cancels one container; the others go on.
    #[update(name = "cancel_container")]
    pub async fn cancel_container(
        ctx: &mut WorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        decide::follow(ctx, Decision::Cancel(read(&asked)?)).await
    }

    #[update_validator(retry_container)]
    fn check_retry_container(
        &self,
        _ctx: &WorkflowContextView,
        asked: &RawValue,
    ) -> Result<(), Refusal> {
        self.check(&Decision::Retry(read(asked)?))
    }

    /// Builds a failed container once more.
    #[update(name = "retry_container")]
    pub async fn retry_container(
        ctx: &mut WorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        decide::follow(ctx, Decision::Retry(read(&asked)?)).await
    }

    #[update_validator(extend)]
    fn check_extend(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        self.check(&Decision::Extend(read(asked)?))
    }

    /// Gives one of a container's clocks more time.
    #[update(name = "extend")]
    pub async fn extend(
        ctx: &mut WorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        decide::follow(ctx, Decision::Extend(read(&asked)?)).await
    }

    #[update_validator(approve)]
    fn check_approve(&self, _ctx: &WorkflowContextView, asked: &RawValue) -> Result<(), Refusal> {
        consent::check(&self.progress, asked)
    }

    /// Consents to the delivery, or refuses it.
    #[update(name = "approve")]
    pub fn approve(
        &mut self,
        _ctx: &mut SyncWorkflowContext<Self>,
        asked: RawValue,
    ) -> Result<String, Refusal> {
        consent::answer(&mut self.consent, &asked)
    }
}

/// Changes what the workflow shows, and shows it.
fn show(ctx: &WorkflowContext<BuildApp>, change: impl FnOnce(&mut Progress)) {
    ctx.state_mut(|s| change(&mut s.progress));
    ctx.set_current_details(ctx.state(|s| s.progress.markdown()));
}

/// One component, and again where someone asks for that while others are not finished.
async fn build_one(
    ctx: &WorkflowContext<BuildApp>,
    outline: &Outline,
    release: &Release,
    group: &WorkflowCancellationToken,
    component: &OutlinedComponent,
    mut document: Value,
) -> Result<BuildOutput, Stop> {
    let name = component.name.as_str();
    let mut done = Vec::new();
    loop {
        let outcome =
            build_once(ctx, outline, release, group, component, document.clone(), done).await;
        ctx.state_mut(|s| {
            s.bases.end(component, &outcome);
            s.parts.end(name);
        });
        let again = ctx.wait_condition(|s| s.parts.is_over() || s.parts.is_wanted(name)).await;
        let wanted = ctx.state_mut(|s| s.parts.begin_again(name));
        match outcome {
            Err(stop) if again.is_ok() && !wanted.is_empty() => {
                ctx.state_mut(|s| s.bases.forget(component));
                wanted.iter().for_each(|retry| parts::grant(&mut document, retry));
                done = stop.images();
            }
            outcome => return outcome,
        }
    }
}

/// One component, once its sources and the images that it is built from are there, and there is
/// room for its containers among those in flight. Where the first failure is to end the others,
/// they are cancelled as a group. `done` are its images from a run before.
async fn build_once(
    ctx: &WorkflowContext<BuildApp>,
    outline: &Outline,
    release: &Release,
    group: &WorkflowCancellationToken,
    component: &OutlinedComponent,
    mut document: Value,
    done: Vec<ContainerImage>,
) -> Result<BuildOutput, Stop> {
    let (sources, needs) = (|| component.sources(), || component.needs());
    if let Some(reason) = waits_for(needs()) {
        show(ctx, |progress| progress.set_for(&component.name, State::Waiting, Some(&reason)));
    }
    let is_ready = |s: &BuildApp| s.sources.know(sources()) && s.bases.know(needs());
    let fetched = ctx.wait_condition(|s| is_ready(s) || s.ended).await;
    let places = component.containers.len().min(outline.max_parallel as usize);
    let name = component.name.as_str();
    let may = |s: &BuildApp| s.free >= places && !s.parts.is_held(component);
    let room = ctx.wait_condition(|s| may(s) || s.ended).await;
    if fetched.is_err() || room.is_err() || ctx.state(|s| s.ended) {
        show(ctx, |progress| progress.set(&component.name, State::Cancelled));
        return Err(Stop::Cancelled);
    }
    let images = match ctx.state(|s| s.bases.images(needs())) {
        Ok(images) => images,
        Err(stop) => {
            let outcome = Err(stop.of_each(component));
            show(ctx, |progress| progress.end(name, &outcome));
            return outcome;
        }
    };
    ctx.state_mut(|s| s.free -= places);
    show(ctx, |progress| {
        progress.set(name, State::Packing);
        progress.wait(component);
    });
    let published = release.published(name).cloned();
    let resolved = ctx.state(|s| s.sources.resolved(ctx.workflow_id(), sources()));
    let (paused, cancelled) = ctx.state_mut(|s| s.parts.begin(name));
    let resolved = Resolved { published, paused, cancelled, images, done, ..resolved };
    document["resolved"] = json!(resolved);
    let found_by = attributes(&outline.app, release.version.as_deref(), Some(name), None);
    let summary = summary(name, release.version.as_deref(), None);
    let run = || BuildComponent::run;
    let outcome = child(ctx, run, name, summary, document, found_by, group).await;
    ctx.state_mut(|s| s.free += places);
    if outline.fail_fast && outcome.as_ref().is_err_and(Stop::is_of_itself) {
        ctx.state_mut(|s| s.ended = true);
        group.cancel_with_reason("another container failed, and failFast is set");
    }
    show(ctx, |progress| progress.end(name, &outcome));
    outcome
}

/// What is known of the sources that are fetched ahead, by [`GitSource::key`].
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<String, Option<String>>);

impl Sources {
    /// A source's commit. One that cannot be fetched has none: its containers fetch it themselves,
    /// and its failure is then theirs, while the others go on.
    pub(crate) fn note(&mut self, key: String, commit: Option<String>) {
        self.0.insert(key, commit);
    }

    /// Whether nothing more is to be waited for.
    pub(crate) fn know<'a>(&self, mut keys: impl Iterator<Item = &'a String>) -> bool {
        keys.all(|key| self.0.contains_key(key))
    }

    /// What a child is handed: no more than it needs.
    pub(crate) fn resolved<'a>(
        &self,
        root: &str,
        keys: impl Iterator<Item = &'a String>,
    ) -> Resolved {
        let commit = |key: &String| Some((key.clone(), self.0.get(key)?.clone()?));
        Resolved {
            commits: keys.filter_map(commit).collect(),
            root: root.to_owned(),
            ..Resolved::default()
        }
    }

    /// The commit of a source.
    pub(crate) fn commit(&self, key: &str) -> Option<String> {
        self.0.get(key)?.clone()
    }
}

/// Fetches each source once, and gives its commit to `done` as soon as it is there.
pub(crate) async fn fetch_sources<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    outline: &Outline,
    group: &WorkflowCancellationToken,
    done: impl Fn(String, Option<String>),
) {
    let sources = outline.sources.iter().collect();
    bounded(sources, FETCHES, async |source: &GitSource| {
        let summary = format!("fetch {}", source.url);
        let options = policy.options(Step::FetchSource, summary, group.clone());
        let own = ctx.workflow_id().to_owned();
        let id = BuildId {
            app: outline.app.clone(),
            root: own.clone(),
            workflow_id: own,
            ..BuildId::default()
        };
        let input = FetchInput { id, source: source.clone() };
        let fetched = ctx.execute_activity(Steps::fetch_source, input, options).await;
        done(source.key(), fetched.ok().map(|fetched| fetched.commit));
    })
    .await;
}

/// What a package is made of.
#[derive(Debug, Default)]
pub(crate) struct Deliverable {
    /// Name of the component; none for the app's own package.
    pub(crate) component: Option<String>,
    /// A component's images.
    pub(crate) images: Vec<ContainerImage>,
    /// How their registries are reached, where that is not the package's own.
    pub(crate) registries: BTreeMap<String, Registry>,
    /// An app's components.
    pub(crate) components: Vec<Delivered>,
    /// Commit of the files' source.
    pub(crate) commit: Option<String>,
}

/// Makes the package of a component, or of the app.
pub(crate) async fn deliver<W>(
    ctx: &WorkflowContext<W>,
    policy: &Policy,
    outline: &Outline,
    release: &Release,
    made: Deliverable,
) -> Result<Option<Package>, Stop> {
    let summary = format!("deliver {}", made.component.as_deref().unwrap_or(&outline.app));
    let options = policy.options(Step::Deliver, summary, ctx.cancellation_token());
    let own = ctx.workflow_id().to_owned();
    let time = |time: Option<SystemTime>| {
        time.map(|time| humantime::format_rfc3339_millis(time).to_string()).unwrap_or_default()
    };
    let input = DeliverInput {
        id: BuildId {
            app: outline.app.clone(),
            component: made.component.clone().unwrap_or_default(),
            root: own.clone(),
            workflow_id: own,
            run_id: ctx.info().first_execution_run_id().to_owned(),
            ..BuildId::default()
        },
        app: outline.app.clone(),
        component: made.component,
        version: release.version.clone(),
        delivery: outline.delivery.clone(),
        commit: made.commit,
        images: made.images,
        components: made.components,
        registries: made.registries,
        started: time(ctx.info().start_time()),
        finished: time(ctx.workflow_time()),
    };
    Ok(ctx.execute_activity(Steps::deliver, input, options).await?)
}

/// Shortens what is told of earlier attempts, as hundreds of containers may have had some. Each
/// container's own workflow has them in full.
fn brief(earlier: &mut Vec<FailedAttempt>) {
    earlier.drain(..earlier.len().saturating_sub(bounds::EARLIER_OF_MANY));
    for attempt in earlier {
        attempt.message = tail(&attempt.message, bounds::EARLIER_BYTES);
    }
}

/// How the parts of a build ended, in plan order.
pub(crate) struct Ending {
    pub(crate) images: Vec<ContainerImage>,
    stop: Option<Stop>,
    package: Option<Package>,
}

impl Ending {
    /// `asked` is whether someone cancelled the whole: then that is how it ends, whatever failed.
    pub(crate) fn of(outcomes: Vec<Result<BuildOutput, Stop>>, asked: bool) -> Self {
        let mut images: Vec<ContainerImage> = Vec::new();
        let mut failures: Vec<Failure> = Vec::new();
        let mut cancelled = asked;
        for outcome in outcomes {
            match outcome {
                Ok(output) => images.extend(output.images),
                Err(Stop::Cancelled) => cancelled = true,
                Err(Stop::Failed(details)) => {
                    failures.extend(details.failures);
                    images.extend(details.images);
                }
            }
        }
        failures.sort_by_key(|failure| failure.cause.is_some());
        images.iter_mut().for_each(|image| brief(&mut image.earlier));
        failures.iter_mut().for_each(|failure| brief(&mut failure.earlier));
        let stop = match (failures.is_empty(), cancelled) {
            (false, _) if !asked => {
                Some(Stop::Failed(Box::new(FailureDetails { failures, images: images.clone() })))
            }
            (_, true) => Some(Stop::Cancelled),
            (_, false) => None,
        };
        Self { images, stop, package: None }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.stop.is_none()
    }

    pub(crate) fn deliver(&mut self, outcome: Result<Option<Package>, Stop>) {
        // From here on the package tells of it.
        self.images.iter_mut().for_each(|image| image.made = None);
        match outcome {
            Ok(package) => self.package = package,
            Err(Stop::Failed(mut details)) => {
                details.images = self.images.clone();
                self.stop = Some(Stop::Failed(details));
            }
            Err(Stop::Cancelled) => self.stop = Some(Stop::Cancelled),
        }
    }

    /// Takes note of a person's word about the delivery.
    pub(crate) fn consent(&mut self, consent: Result<(), Stop>) {
        if let Err(stop) = consent {
            self.deliver(Err(stop));
        }
    }

    /// What the search attribute of the outcome says.
    pub(crate) fn word(&self) -> String {
        self.stop.as_ref().map_or_else(|| "succeeded".to_owned(), Stop::word)
    }

    pub(crate) fn output(self, app: &str, version: Option<&str>) -> Result<BuildOutput, Stop> {
        match self.stop {
            Some(stop) => Err(stop),
            None => Ok(BuildOutput {
                app: app.to_owned(),
                version: version.map(str::to_owned),
                outcome: Outcome::Succeeded,
                images: self.images,
                package: self.package,
            }),
        }
    }
}
