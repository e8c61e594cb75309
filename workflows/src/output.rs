//! The result of a build, the same for all three workflows. Public wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::{FailedAttempt, Failure};

/// The result of a workflow.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildOutput {
    /// Name of the app.
    pub app: String,
    /// Version of the app.
    #[serde(default)]
    pub version: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// One per container, in plan order.
    pub images: Vec<ContainerImage>,
    /// The delivery package; none where one container was built.
    #[serde(default)]
    pub package: Option<Package>,
}

/// How a workflow that has a result ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Every image is in its registry.
    Succeeded,
    /// Nothing was built: the result would equal what is published.
    Unchanged,
}

/// One image.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerImage {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// True where it is an init container.
    #[serde(default)]
    pub init: bool,
    /// `name@sha256:…`, as it is pulled.
    pub reference: String,
    /// All tags it was pushed under.
    #[serde(default)]
    pub tags: Vec<String>,
    /// `sha256:…` of the manifest.
    pub digest: String,
    /// Size in bytes: config and layers as they are stored, compressed.
    pub size: u64,
    /// `os/architecture`; of several all of them, as `linux/amd64,linux/arm64`.
    pub platform: String,
    /// The image of each platform, if there are several. `digest` and `reference` are then those of the
    /// index, and `size` is the sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<PlatformImage>,
    /// Commit that it was built from; none where the image was used as it is.
    #[serde(default)]
    pub commit: Option<String>,
    /// How many Pods it took.
    pub attempts: u32,
    /// True if it was built before from the same content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// True if the package has its files and not the image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub files: bool,
    /// What it was made of. For components and apps, the record in the package has this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Box<Made>>,
    /// The last twenty failed attempts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<FailedAttempt>,
    /// How long each part took.
    #[serde(default)]
    pub times: Times,
}

/// The image of one of several platforms.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformImage {
    /// `os/architecture`, and its variant where the spec names one.
    pub platform: String,
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// Size in bytes: config and layers as they are stored, compressed.
    pub size: u64,
}

/// What an image was made of.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Where the code is, without credentials.
    pub source: String,
    /// What was asked for: a branch, a tag or a commit; none is the repository's `HEAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Directory of the source that is the context; `""` is its root.
    pub context_dir: String,
    /// Content key of the context: the same bytes have the same key.
    #[serde(default)]
    pub context: String,
    /// `sha256:…` of the Dockerfile as it was built: rendered, its images pinned.
    pub dockerfile: String,
    /// Names of the build args.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_args: Vec<String>,
    /// The base images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Base>,
    /// Content key of the image: images with the same key are the same. None if it has no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Id of the workflow that built it, or found it built.
    #[serde(default)]
    pub workflow_id: String,
    /// Run id of its first execution.
    #[serde(default)]
    pub run_id: String,
}

/// A base image.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// As the Dockerfile names it, its `ARG`s filled in.
    pub image: String,
    /// Its `sha256:…` when the build began.
    pub digest: String,
}

/// Seconds that the last attempt spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// From the start of the container's workflow to its image; 0 if it had no workflow.
    pub total: f64,
    /// From the Pod's creation to the end of its executor.
    pub pod: f64,
}

/// A delivery package.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// `name:tag`, as tools pull and copy it.
    pub reference: String,
    /// `sha256:…` of its index.
    pub digest: String,
}

/// The details of a failed workflow.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureDetails {
    /// In plan order, those with a `cause` last. The first one is the type of the workflow's failure.
    pub failures: Vec<Failure>,
    /// The images that were finished.
    #[serde(default)]
    pub images: Vec<ContainerImage>,
}
