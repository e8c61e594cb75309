//! What a user writes. Every type here is public wire: the JSON Schema is generated from it.
//!
//! A document is checked in two passes, so that one message can name every fault: its shape
//! against the schema ([`crate::document`]), then its meaning while it is lowered to a
//! [`crate::plan::Plan`]. Nothing after that sees a spec. Unknown fields are found by the first
//! pass, so the types that flatten [`Shared`] need not refuse them again (serde could not).

mod conditions;
mod one_or_many;
mod resolved;
mod shared;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    conditions::{Approval, OnFailure, OnlyIf},
    resolved::Resolved,
    shared::{
        CaSpec, CacheSpec, GitSpec, RegistrySpec, ResourcesSpec, ReuseSpec, Shared, SourceSpec,
        TimeoutsSpec,
    },
};
use serde_json::Value;

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
    /// Version of the app, as Semantic Versioning has it, or `auto`: the highest version of its
    /// package in the registry with the last number raised. It is the tag of the packages and the
    /// first tag of every image; a `+` is written `_` there. What is published under a version is
    /// never replaced by anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What components and containers inherit and may override.
    #[serde(default)]
    pub defaults: Shared,
    /// How many containers may be in flight at once.
    #[serde(default = "AppSpec::default_max_parallel")]
    #[schemars(range(min = 1, max = 500))]
    pub max_parallel: u32,
    /// Whether the first container that fails ends the others; without it they go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// Whether there is a build at all where nothing changed. Left out, there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<OnlyIf>,
    /// What becomes of the build while a container has failed: it ends with the others, or waits
    /// for a person's decision, at most as long as the container's whole timeout. Default: `fail`.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
    /// Whose consent the package needs. Default: nobody's.
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
    /// Whether the first container that fails ends the others; without it they go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// Whether there is a build at all where nothing changed. Left out, there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<OnlyIf>,
    /// What becomes of the build while a container has failed: it ends with the others, or waits
    /// for a person's decision, at most as long as the container's whole timeout. Default: `fail`.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
    /// Whose consent the package needs. Default: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The component.
    pub component: ComponentSpec,
    /// Set by a parent workflow; left out by everyone else.
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
    /// Set by a parent workflow; left out by everyone else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
}

/// A component: containers that are released together.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ComponentSpec {
    /// Name of the component: a DNS label, unique in the app.
    pub name: String,
    /// What the containers of this component inherit, before the defaults of the app.
    #[serde(flatten)]
    pub shared: Shared,
    /// The containers. There must be one at least, unless the component is a Helm chart.
    #[serde(default)]
    pub containers: Vec<ContainerSpec>,
    /// A Helm chart: its directory in the component's source. It enters the package as it is, with
    /// the app's version where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Files of the component's package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSpec>,
}

/// A file of a package: out of the source, or written here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSpec {
    /// Its name in the package, a relative path. Default: `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A file or a directory of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The file itself, instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether it is a template, rendered with the images' references. Default: true.
    #[serde(default = "FileSpec::default_template")]
    pub template: bool,
    /// Its media type. Default: by the name's ending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

impl FileSpec {
    fn default_template() -> bool {
        true
    }
}

/// What becomes of a build's last stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Yields {
    /// It is an image.
    #[default]
    Image,
    /// Its files enter the component's package, one by one.
    Files,
}

/// A container: one image.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ContainerSpec {
    /// Name of the container: a DNS label, unique in the component.
    pub name: String,
    /// True where it is an init container.
    #[serde(default)]
    pub init: bool,
    /// An image that is used as it is: nothing is built, and no field about building may be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The containers of the app that this one is built from: one or a list, each as `container`
    /// of the same component or `component/container`. They are built first; the Dockerfile, which
    /// is a template then, must use `{{ images.<container>.reference }}` of each.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many::deserialize"
    )]
    #[schemars(schema_with = "one_or_many::schema")]
    pub from: Vec<String>,
    /// The context: a directory of the source. Default: its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_dir: Option<String>,
    /// The Dockerfile, a path in the context. Default: `Dockerfile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Values of the Dockerfile template. Given (even empty), the Dockerfile is a template; so it
    /// is when its name ends in `.tpl` or `.j2`, or where `from` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<BTreeMap<String, Value>>,
    /// Values of the Dockerfile's `ARG`s.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// The stage to build. Default: the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Tags beside the first one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Labels of the image.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// More flags for Kaniko, as `--flag` or `--flag=value`. Those that Kilnworks sets are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kaniko: Vec<String>,
    /// Build secrets: files that a `RUN` can read and that enter no layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<BuildSecret>,
    /// Replace Git LFS pointer files of the context by what they point to. Where false, a pointer
    /// file in a context is a fault.
    #[serde(default)]
    pub lfs: bool,
    /// `files` where not the image but the files of its last stage are wanted.
    #[serde(default)]
    pub yields: Yields,
    /// The fields that a container may inherit, given here.
    #[serde(flatten)]
    pub shared: Shared,
}

/// A key of a Secret, mounted read-only as the file `/kiln/secrets/<name>`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildSecret {
    /// Name of the file.
    pub name: String,
    /// Name of the Secret in the build namespace.
    pub secret: String,
    /// Key in it.
    pub key: String,
}
