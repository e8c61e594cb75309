//! The steps of a container's build, as its workflow calls them.

use futures::{FutureExt, pin_mut};
use temporalio_common::{
    ActivityDefinition, data_converters::TemporalDeserializable, error::ActivityExecutionError,
};
use temporalio_workflow::{ActivityOptions, WorkflowCancellationToken, select};

use super::{show, walk::Walk};
use crate::{
    build_id::BuildId,
    execute::{execute, is_expired},
    names,
    plan::{BuildPlan, ContainerPlan, Timeouts},
    policy::{Grants, Step},
    progress::State,
    steps::{
        AwaitInput, Awaited, Built, CleanUpInput, Context, FetchInput, FindImageInput, FoundImages,
        ImageTags, LaunchInput, RenderInput, Rendered, ResolveInput, Steps, TagInput, UploadInput,
    },
    stop::Stop,
};

impl Walk<'_> {
    pub(super) async fn resolve_image(&self, image: &str) -> Result<Built, Stop> {
        let registry = self.plan.registry.clone();
        let input = ResolveInput { id: self.id(0), image: image.to_owned(), registry };
        self.step(Step::ResolveImage, "look up", || Steps::resolve_image, input).await
    }

    /// The commit of the source: the parent's, where it fetched the source for all its containers.
    pub(super) async fn fetch_source(&self, build: &BuildPlan) -> Result<String, Stop> {
        let parent = self.split.resolved.as_ref();
        if let Some(commit) = parent.and_then(|it| it.commits.get(&build.source.key())) {
            return Ok(commit.clone());
        }
        show(self.ctx, |row| row.set(State::Fetching));
        let input = FetchInput { id: self.id(0), source: build.source.clone() };
        Ok(self
            .step(Step::FetchSource, "fetch the source of", || Steps::fetch_source, input)
            .await?
            .commit)
    }

    pub(super) async fn render(&self, commit: &str) -> Result<Rendered, Stop> {
        show(self.ctx, |row| row.set(State::Packing));
        let parent = self.split.resolved.as_ref();
        let input = RenderInput {
            id: self.id(0),
            plan: self.plan.clone(),
            commit: commit.to_owned(),
            images: parent.map(|resolved| resolved.images.clone()).unwrap_or_default(),
        };
        self.step(Step::Render, "render the Dockerfile of", || Steps::render, input).await
    }

    pub(super) async fn find_image(&self, rendered: &Rendered) -> Result<FoundImages, Stop> {
        let package = self.split.resolved.as_ref().and_then(|parent| parent.published.clone());
        let input = FindImageInput::of(self.id(0), self.plan, rendered, package);
        if input.published.is_none() && (input.kept.is_none() || input.is_keyless()) {
            return Ok(FoundImages::default());
        }
        self.step(Step::FindImage, "find an image of", || Steps::find_image, input).await
    }

    pub(super) async fn upload(&self, build: &BuildPlan, commit: &str) -> Result<Context, Stop> {
        let input = UploadInput {
            id: self.id(0),
            source: build.source.clone(),
            commit: commit.to_owned(),
            context_dir: build.context_dir.clone(),
            lfs: build.lfs,
        };
        self.step(Step::Upload, "upload the context of", || Steps::upload, input).await
    }

    /// What an attempt's Pod is made of.
    pub(super) fn launch_input(
        &self,
        attempt: u32,
        build: &BuildPlan,
        grants: &Grants,
        rendered: &Rendered,
        context: &Context,
    ) -> LaunchInput {
        let mut input = LaunchInput::of(self.id(attempt), self.plan, build, rendered, context);
        input.build.resources = grants.resources.clone();
        if !self.platform.is_empty() {
            input.build.platforms = vec![self.platform.clone()];
        }
        LaunchInput { spare_memory: grants.growths > 0, ..input }
    }

    /// Waits for the end of a build. The step counts the timeouts by what the Pod's status says, so it
    /// is begun anew when a user extends one.
    pub(super) async fn await_build(&self, mut input: AwaitInput) -> Result<Awaited, Stop> {
        let image = names::repository_of(&input.launched.pushes);
        let pod = format!("{}: {image} in {}", self.summary("build"), input.launched.name);
        loop {
            let extensions = self.ctx.state(|s| s.extensions);
            input.timeouts = self.timeouts();
            let token = self.token.child_token();
            let options = || self.policy().options(Step::AwaitBuild, pod.clone(), token.clone());
            let built =
                self.execute(Step::AwaitBuild, || Steps::await_build, input.clone(), options);
            let built = built.fuse();
            let extended = self.ctx.wait_condition(|s| s.extensions != extensions).fuse();
            pin_mut!(built, extended);
            let (built, is_extended) = select! {
                built = built => (built, false),
                extended = extended => {
                    if extended.is_ok() {
                        token.cancel_with_reason("a user extended a timeout");
                    }
                    (built.await, extended.is_ok())
                }
            };
            match built.map_err(Stop::from) {
                Err(Stop::Cancelled) if is_extended && !self.token.is_cancelled() => {}
                built => return built,
            }
        }
    }

    pub(super) async fn write_tags(&self, images: Vec<ImageTags>) -> Result<(), Stop> {
        let input = TagInput { id: self.id(0), images };
        self.step(Step::Tag, "tag", || Steps::tag, input).await
    }

    /// Deletes what this execution made in the cluster, whatever happened, a cancel included.
    pub(super) async fn clean_up(&self) {
        let input = CleanUpInput { id: self.id(0), launching: self.launches.open.get() > 0 };
        let detached = WorkflowCancellationToken::new();
        let summary = self.summary("clean up after");
        let options = || self.policy().options(Step::CleanUp, summary.clone(), detached.clone());
        // What cannot be deleted now, the sweeper finds by its labels; the build's outcome stands.
        let _ = execute(self.ctx, Step::CleanUp, || Steps::clean_up, input, options).await;
    }

    /// Runs a step of this container. `verb` begins what the engine's UI shows beside its name.
    pub(super) async fn step<A>(
        &self,
        step: Step,
        verb: &str,
        activity: impl Fn() -> A,
        input: A::Input,
    ) -> Result<A::Output, Stop>
    where
        A: ActivityDefinition,
        A::Input: Clone,
        A::Output: TemporalDeserializable,
    {
        let options = || self.policy().options(step, self.summary(verb), self.token.clone());
        Ok(self.execute(step, activity, input, options).await?)
    }

    /// Runs a step, and once more where its time ran out and a user has extended the whole timeout.
    pub(super) async fn execute<A>(
        &self,
        step: Step,
        activity: impl Fn() -> A,
        input: A::Input,
        options: impl Fn() -> ActivityOptions,
    ) -> Result<A::Output, ActivityExecutionError>
    where
        A: ActivityDefinition,
        A::Input: Clone,
        A::Output: TemporalDeserializable,
    {
        loop {
            let Timeouts { whole, .. } = self.timeouts();
            let outcome = execute(self.ctx, step, &activity, input.clone(), &options).await;
            let is_expired = outcome.as_ref().is_err_and(is_expired);
            if !is_expired || self.timeouts().whole == whole {
                return outcome;
            }
        }
    }

    pub(super) fn summary(&self, verb: &str) -> String {
        let of = if self.platform.is_empty() { "" } else { " for " };
        let ContainerPlan { component, container, .. } = self.plan;
        format!("{verb} {component}/{container}{of}{}", self.platform)
    }

    pub(super) fn id(&self, attempt: u32) -> BuildId {
        let own = self.ctx.workflow_id().to_owned();
        let parent = self.split.resolved.as_ref();
        BuildId {
            app: self.plan.app.clone(),
            component: self.plan.component.clone(),
            container: self.plan.container.clone(),
            root: parent.map_or_else(|| own.clone(), |resolved| resolved.root.clone()),
            workflow_id: own,
            run_id: self.first_run_id(),
            attempt,
            platform: self.platform.clone(),
        }
    }

    fn first_run_id(&self) -> String {
        self.ctx.info().first_execution_run_id().to_owned()
    }
}
