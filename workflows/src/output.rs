//! What a build gives back. Public wire, the same for all three workflows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::FailedAttempt;

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
}

/// One image.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
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
    /// `os/architecture`.
    pub platform: String,
    /// Commit that it was built from; none where the image was used as it is.
    #[serde(default)]
    pub commit: Option<String>,
    /// How many Pods it took; 0 where none.
    pub attempts: u32,
    /// The attempts that failed before; of many the last twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<FailedAttempt>,
    /// How long each part took.
    #[serde(default)]
    pub times: Times,
}

/// Seconds that the last attempt spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// From the start of the container's workflow to its image.
    pub total: f64,
    /// From the Pod's creation to the end of its executor.
    pub pod: f64,
}

/// A delivery package.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Where it is.
    pub url: String,
    /// `sha256:…` of its record.
    pub digest: String,
}
