//! The Pod or Job of an attempt: its launch, its wait, its removal.

use serde::{Deserialize, Serialize};

use super::{Built, Context, Rendered, Reuse};
use crate::{
    names,
    plan::{BuildPlan, Clocks, ContainerPlan, Registry},
};

/// Which attempt of which container's build.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildId {
    /// Name of the app.
    pub app: String,
    /// Name of the component; empty where a step is for all of them.
    pub component: String,
    /// Name of the container; empty where a step is for all of them.
    pub container: String,
    /// Id of the workflow.
    pub workflow_id: String,
    /// Run id of its first execution.
    pub run_id: String,
    /// Id of the workflow that is told what this build waits for, beside its own.
    pub root: String,
    /// Counted from 1; 0 before the first one.
    pub attempt: u32,
    /// Which one of several platforms, each of which has attempts of its own; empty where a
    /// container has one image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Whether the root was told of a wait of this build. Then it is told of its end, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

/// A Pod or Job to create.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchInput {
    /// Whose it is.
    pub id: BuildId,
    /// How the image is built, with the resources of this attempt.
    pub build: BuildPlan,
    /// How its registry is reached.
    pub registry: Registry,
    /// What was rendered.
    pub rendered: Rendered,
    /// The context in the store.
    pub context: Context,
    /// Whether an earlier attempt was killed for its memory: then the executor saves it where it
    /// can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spare_memory: bool,
    /// Whether the build is awaited, too, once it is launched: one step less.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_await: bool,
    /// Whether a launch of the same attempt was begun before, and its worker not heard of again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl LaunchInput {
    /// The launch of an attempt that has what the plan says. What was rendered is not repeated
    /// unrendered.
    pub fn of(
        id: BuildId,
        plan: &ContainerPlan,
        build: &BuildPlan,
        rendered: &Rendered,
        context: &Context,
    ) -> Self {
        let mut build = build.clone();
        build.template = None;
        build.from.clear();
        build.build_args.clear();
        build.labels.clear();
        build.tags.clear();
        let rendered = Rendered { context: None, launched: None, again: false, ..rendered.clone() };
        Self {
            id,
            build,
            registry: plan.registry.clone(),
            rendered,
            context: context.clone(),
            spare_memory: false,
            with_await: true,
            again: false,
        }
    }

    /// Where its image is found by other builds, and by what; none where it is not used again.
    pub fn reuse(&self) -> Option<Reuse> {
        let found = self.build.reuse.clone().zip(self.rendered.key.clone());
        found.map(|(repository, key)| Reuse { repository, key })
    }

    /// The tag that its executor pushes last.
    pub fn attempt_tag(&self) -> String {
        attempt_tag(&self.id, self.reuse().as_ref())
    }
}

fn attempt_tag(id: &BuildId, reuse: Option<&Reuse>) -> String {
    names::attempt_tag(id, reuse.map(|reuse| reuse.key.as_str()))
}

/// A created Pod or Job. Later steps use these names and never derive them again.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Launched {
    /// `Pod` or `Job`.
    pub kind: LaunchedKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The image that it pushes last, as `name:tag`, where another build of the same thing made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<String>,
    /// Content key of the image that it builds, where the step that launched it found that, too: one
    /// that is rendered anew may have another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What came of it, where that was awaited. A worker that stops meanwhile leaves it to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Box<Built>>,
}

/// What carries the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum LaunchedKind {
    /// A bare Pod.
    Pod,
    /// A Job with one Pod.
    Job,
}

/// A Pod or Job to wait for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwaitInput {
    /// Whose it is.
    pub id: BuildId,
    /// The Pod or Job.
    pub launched: Launched,
    /// The image, without tag.
    pub repository: String,
    /// All tags of the image.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Repository of the images that are used again, and the content key of this one; none where
    /// it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// The rendered Dockerfile, in which a failed instruction is looked up.
    pub dockerfile: String,
    /// How its registry is reached.
    pub registry: Registry,
    /// The clocks; scheduling, pulling and building are counted here.
    pub clocks: Clocks,
    /// What it is built for, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

impl AwaitInput {
    /// The wait for what a launch made.
    pub fn of(input: &LaunchInput, launched: Launched) -> Self {
        let LaunchInput { id, build, rendered, registry, .. } = input;
        Self {
            id: id.clone(),
            launched,
            repository: build.repository.clone(),
            tags: rendered.tags.clone(),
            reuse: input.reuse(),
            dockerfile: rendered.dockerfile.clone(),
            registry: registry.clone(),
            clocks: build.clocks,
            platform: build.platform().map(str::to_owned),
        }
    }

    /// The tag that its executor pushes last.
    pub fn attempt_tag(&self) -> String {
        attempt_tag(&self.id, self.reuse.as_ref())
    }
}

/// Whose objects to remove.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanUpInput {
    /// Id of the container's workflow.
    pub workflow_id: String,
    /// Run id of its first execution.
    pub run_id: String,
    /// Whether a cancelled launch may still be creating a Pod.
    #[serde(default)]
    pub launching: bool,
}
