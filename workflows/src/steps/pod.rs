//! The Pod or Job of an attempt: its launch, its wait, its deletion.

use serde::{Deserialize, Serialize};

use super::{Built, Context, Rendered};
use crate::{
    build_id::BuildId,
    names,
    plan::{BuildPlan, ContainerPlan, Registry, Timeouts},
};

/// A Pod or Job to create.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchInput {
    /// The build that needs it.
    pub id: BuildId,
    /// How the image is built, with the resources of this attempt.
    pub build: BuildPlan,
    /// How its registry is reached.
    pub registry: Registry,
    /// What was rendered.
    pub rendered: Rendered,
    /// The context in the store.
    pub context: Context,
    /// True where an earlier attempt was killed for its memory: the executor saves memory then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spare_memory: bool,
    /// When the wait for room began, as RFC 3339: the queued timeout counts from then.
    pub since: String,
    /// How often a user paused the launch of this attempt. The Pod of each launch has its own name, so
    /// that a paused launch cannot delete the Pod of the next one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pauses: u32,
    /// True where the build must have a Pod of its own: another build's Pod ended without an image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl LaunchInput {
    /// The launch of an attempt. The templates of the plan are left out: what was rendered counts.
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
        Self {
            id,
            build,
            registry: plan.registry.clone(),
            rendered: rendered.clone(),
            context: context.clone(),
            spare_memory: false,
            since: String::new(),
            pauses: 0,
            alone: false,
        }
    }

    /// Name of its Pod or Job.
    pub fn pod_name(&self) -> String {
        let identity = self.rendered.identity();
        match self.pauses {
            0 => names::pod(&self.id, &identity),
            pauses => names::pod(&self.id, &format!("{identity} {pauses}")),
        }
    }

    /// The one tag that its executor pushes.
    pub fn attempt_tag(&self) -> String {
        names::attempt_tag(&self.id, &self.rendered.identity())
    }

    /// The image that its executor pushes, as `repository:tag`.
    pub fn pushes(&self) -> String {
        format!("{}:{}", self.build.repository, self.attempt_tag())
    }
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
    /// The image that its executor pushes, as `repository:tag`.
    pub pushes: String,
    /// True where it is another build's. That build alone deletes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_others: bool,
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
    /// The build that waits.
    pub id: BuildId,
    /// The Pod or Job.
    pub launched: Launched,
    /// The rendered Dockerfile, in which a failed instruction is looked up.
    pub dockerfile: String,
    /// How its registry is reached.
    pub registry: Registry,
    /// When the wait began, as RFC 3339: the timeouts of a wait for another build's Pod count from then.
    pub since: String,
    /// The timeouts; this step counts scheduling, pulling and building.
    pub timeouts: Timeouts,
    /// What it is built for, where the spec names a platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

impl AwaitInput {
    /// The wait for what a launch made.
    pub fn of(input: &LaunchInput, launched: Launched, since: String) -> Self {
        let LaunchInput { id, build, rendered, registry, .. } = input;
        Self {
            id: id.clone(),
            launched,
            since,
            dockerfile: rendered.dockerfile.clone(),
            registry: registry.clone(),
            timeouts: build.timeouts,
            platform: build.platform().map(str::to_owned),
        }
    }
}

/// What came of a wait.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Awaited {
    /// The image.
    Built(Built),
    /// Another build's Pod ended without an image, or not in time.
    NoImage,
    /// Another build's Pod was deleted.
    Gone,
}

/// Whose objects to delete.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanUpInput {
    /// The build that is over.
    pub id: BuildId,
    /// True where a cancelled launch may still be creating a Pod.
    #[serde(default)]
    pub launching: bool,
}
