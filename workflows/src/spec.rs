//! What a user writes. Every type here is public wire: the JSON Schema is generated from it.
//!
//! A document is checked in two passes, so that one message names every fault: its shape against the
//! schema ([`crate::document`]), then its meaning while [`crate::plan`] lowers it. Types that flatten
//! [`Shared`] leave unknown fields to the first pass, as serde cannot refuse them there.

mod component;
mod container;
mod one_or_many;
mod resolved;
mod shared;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    component::{ComponentSpec, FileSpec},
    container::{BuildSecret, ContainerSpec, Yields},
    resolved::Resolved,
    shared::{
        CaSpec, CacheSpec, GitSource, RegistrySpec, ResourcesSpec, ReuseSpec, Shared, SourceSpec,
        TimeoutsSpec,
    },
};

/// The only accepted `apiVersion`.
pub const API_VERSION: &str = "kilnworks/v1";

/// An app: everything that one build makes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppSpec {
    /// `kilnworks/v1`.
    pub api_version: String,
    /// Name of the app: a DNS label.
    pub app: String,
    /// Semantic version of the app, or `auto`: the highest version of its package in the registry,
    /// with the last number raised. The packages have it as their tag and the images as their first
    /// tag, with `_` for `+`. A published version is never replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What components and containers inherit and may override.
    #[serde(default)]
    pub defaults: Shared,
    /// How many containers may be in flight at once.
    #[serde(default = "AppSpec::default_max_parallel")]
    #[schemars(range(min = 1, max = 500))]
    pub max_parallel: u32,
    /// Whether the first container that fails cancels the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// `changed` skips the build if nothing changed. Default: always build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<OnlyIf>,
    /// `wait` keeps a build with a failed container open for a user's decision, at most for the
    /// whole timeout of the container. Default: `fail`.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
    /// Whether a user must approve the package. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Files of the app's package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSpec>,
    /// The components, at least one.
    #[schemars(length(min = 1))]
    pub components: Vec<ComponentSpec>,
}

impl AppSpec {
    fn default_max_parallel() -> u32 {
        50
    }
}

/// When to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnlyIf {
    /// Only if the result would differ from what is published under the given version, under the
    /// latest one (`version: auto`), or without a version. Otherwise the outcome is `unchanged`, and
    /// no version is taken.
    Changed,
}

/// The input of `BuildComponent`: one component and what it inherits.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentInput {
    /// Name of the app.
    pub app: String,
    /// Version of the app, or `auto`: by the versions of the component's package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the component inherits.
    #[serde(default)]
    pub defaults: Shared,
    /// How many containers may be in flight at once.
    #[serde(default = "AppSpec::default_max_parallel")]
    #[schemars(range(min = 1, max = 500))]
    pub max_parallel: u32,
    /// Whether the first container that fails cancels the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// `changed` skips the build if nothing changed. Default: always build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<OnlyIf>,
    /// `wait` keeps a build with a failed container open for a user's decision, at most for the
    /// whole timeout of the container. Default: `fail`.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
    /// Whether a user must approve the package. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The component.
    pub component: ComponentSpec,
    /// Only a parent workflow sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
}

/// The input of `BuildContainer`: one container and what it inherits.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerInput {
    /// Name of the app.
    pub app: String,
    /// Version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the container inherits.
    #[serde(default)]
    pub defaults: Shared,
    /// Name of the component.
    pub component: String,
    /// The container.
    pub container: ContainerSpec,
    /// Only a parent workflow sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
}

/// What a build does after a container has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// It ends after the other containers.
    #[default]
    Fail,
    /// It waits for `retry_container` or `cancel_container`.
    Wait,
}

impl OnFailure {
    /// Whether documents can leave it out.
    pub fn is_default(&self) -> bool {
        *self == Self::Fail
    }
}

/// When a build waits for approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// After the images and before the package.
    BeforeDeliver,
}
