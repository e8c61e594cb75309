//! The steps of a container's build, as its workflow calls them.

use temporalio_workflow::{ActivityOptions, WorkflowCancellationToken};

use super::{Build, set_state};
use crate::{
    plan::{BuildPlan, ContainerPlan, GitSource},
    policy::{Grants, Step},
    progress::State,
    steps::{
        AwaitInput, BuildId, Built, CleanUpInput, Context, FetchInput, LaunchInput, RenderInput,
        Rendered, ResolveInput, Steps, UploadInput,
    },
    stop::Stop,
};

impl Build<'_> {
    pub(super) async fn resolve(&self, image: &str) -> Result<Built, Stop> {
        let registry = self.plan.registry.clone();
        let input = ResolveInput { image: image.to_owned(), registry };
        let options = self.options(Step::ResolveImage, "look up");
        Ok(self.ctx.execute_activity(Steps::resolve_image, input, options).await?)
    }

    pub(super) async fn fetch(&self, source: &GitSource) -> Result<String, Stop> {
        set_state(self.ctx, State::Fetching);
        let input = FetchInput { id: self.id(0), source: source.clone(), wanted: None };
        let options = self.options(Step::FetchSource, "fetch");
        Ok(self.ctx.execute_activity(Steps::fetch_source, input, options).await?.commit)
    }

    pub(super) async fn render(&self, commit: &str, with_context: bool) -> Result<Rendered, Stop> {
        let input = self.render_input(commit, with_context);
        let options = self.options(Step::Render, "render");
        Ok(self.ctx.execute_activity(Steps::render, input, options).await?)
    }

    pub(super) fn render_input(&self, commit: &str, with_context: bool) -> RenderInput {
        let parent = self.split.resolved.as_ref();
        RenderInput {
            id: self.id(0),
            plan: self.plan.clone(),
            commit: commit.to_owned(),
            published: parent.and_then(|resolved| resolved.published.clone()),
            images: parent.map(|resolved| resolved.images.clone()).unwrap_or_default(),
            with_context,
            launch: None,
            again: self.again.get(),
        }
    }

    pub(super) async fn upload(&self, build: &BuildPlan, commit: &str) -> Result<Context, Stop> {
        let input = UploadInput {
            id: self.id(0),
            source: build.source.clone(),
            commit: commit.to_owned(),
            context_dir: build.context_dir.clone(),
            lfs: build.lfs,
        };
        let options = self.options(Step::Upload, "upload");
        Ok(self.ctx.execute_activity(Steps::upload, input, options).await?)
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
        let again = attempt == 1 && self.again.get();
        LaunchInput { spare_memory: grants.growths > 0, again, ..input }
    }

    pub(super) async fn await_build(&self, input: AwaitInput) -> Result<Built, Stop> {
        let built = self.await_in_time(input).await?;
        self.tidied.set(built.tidied);
        Ok(built)
    }

    /// Removes what this execution made in the cluster, whatever happened, a cancel included.
    pub(super) async fn clean_up(&self, succeeded: bool) {
        let input = CleanUpInput {
            workflow_id: self.ctx.workflow_id().to_owned(),
            run_id: self.first_run_id(),
            launching: self.may_launch(),
        };
        let step = if succeeded { Step::TidyUp } else { Step::CleanUp };
        let detached = WorkflowCancellationToken::new();
        let options = self.policy.options(step, self.summary("clean up"), detached);
        // What cannot be removed now is found by its labels later; the build's outcome stands.
        let _ = self.ctx.execute_activity(Steps::clean_up, input, options).await;
    }

    /// Whether a Pod may come that nobody knows of yet.
    fn may_launch(&self) -> bool {
        let launching = self.launching.borrow();
        let is_known = |(platform, attempt): (&String, &u32)| {
            self.ctx.state(|s| s.pods.has(platform, *attempt))
        };
        !launching.iter().all(is_known)
    }

    fn options(&self, step: Step, verb: &str) -> ActivityOptions {
        self.policy().options(step, self.summary(verb), self.token.clone())
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
            told: self.ctx.state(|s| s.told),
        }
    }

    fn first_run_id(&self) -> String {
        self.ctx.info().first_execution_run_id().to_owned()
    }
}
