//! What a user writes. Every type here is public wire: the JSON Schema is generated from it.
//!
//! A document is checked in two passes, so that one message can name every fault: its shape
//! against the schema ([`crate::document`]), then its meaning while it is lowered to a
//! [`crate::plan::Plan`]. Nothing after that sees a spec. Unknown fields are found by the first
//! pass, so the types that flatten [`Shared`] need not refuse them again (serde could not).

mod one_or_many;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::output::ContainerImage;

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

/// When there is a build at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnlyIf {
    /// Where something would come out other than what is published: under the version that is
    /// given, with `version: auto` under the latest one, and without a version at all. Otherwise
    /// nothing is built, no version is taken, and the outcome is `unchanged`.
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

/// What a parent workflow already knows and hands to its children.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolved {
    /// Commit of each distinct source, by [`crate::plan::GitSource::key`].
    #[serde(default)]
    pub commits: BTreeMap<String, String>,
    /// The images that its containers are built from, as `name@sha256:…`, by
    /// `component/container`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// Id of the workflow that someone started, which is told what its builds wait for.
    pub root: String,
    /// The package that is published under this version already, as `name@sha256:…`: what differs
    /// from it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// Containers that are not to be launched until they are resumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<String>,
    /// Containers that someone cancelled before they were begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<String>,
    /// Images that are there already, some of an earlier run of the same component: they are not
    /// built again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<ContainerImage>,
}

/// What becomes of a build while a container has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// It ends once the other containers have.
    #[default]
    Fail,
    /// It waits for a decision: `retry_container` or `cancel_container`.
    Wait,
}

impl OnFailure {
    /// Whether it need not be written.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub fn is_default(&self) -> bool {
        *self == Self::Fail
    }
}

/// Where a build waits for a person's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// Every image is there; the package of what was started is not made before `approve`.
    BeforeDeliver,
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

/// Fields that an app, a component and a container share. The closest one given wins.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Shared {
    /// Where the code is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpec>,
    /// Where images go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistrySpec>,
    /// What the executor may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
    /// How long each phase may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsSpec>,
    /// The layer cache. Left out, layers are neither kept nor used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSpec>,
    /// Name of a `kubernetes.io/dockerconfigjson` Secret with which images are pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_secret: Option<String>,
    /// Name of a `kubernetes.io/dockerconfigjson` Secret with which images are pulled. A Pod has
    /// one such file, so where both are given they must name the same Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// Whether an image that was built of the same things is used again. Default: `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<ReuseSpec>,
    /// How soon its Pod is created where many builds wait for room: 2 goes before 3. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 5))]
    pub priority: Option<u32>,
    /// Whose build it is where many wait for room: each key has its turn, however many builds
    /// another one has. A DNS label, as the name of a team. Default: the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness_key: Option<String>,
    /// Whether the images that a Dockerfile names are resolved to digests before it is built.
    /// Without it nothing that is built is used again. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<bool>,
    /// What images are built for, such as `[linux/amd64, linux/arm64]`: each on a node of its kind,
    /// and several become one image index. Left out, it is whatever node takes the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platforms: Option<Vec<String>>,
}

/// Whether an image that was built of the same things is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReuseSpec {
    /// Every build has a Pod of its own.
    Never,
    /// What was built before is used again, and builds of the same at the same time are one.
    Full,
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

/// Where code is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSpec {
    /// A git repository.
    pub git: GitSpec,
}

/// A git repository at a revision.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSpec {
    /// `https://`, `http://`, `ssh://` or `user@host:path`, without a password.
    pub url: String,
    /// A branch, a tag or a full commit id. Default: the repository's `HEAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Name of a `kubernetes.io/basic-auth` or `kubernetes.io/ssh-auth` Secret. Its annotation
    /// `kiln.io/hosts` must list the host of `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Fetch submodules too.
    #[serde(default)]
    pub submodules: bool,
}

/// Where images go.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrySpec {
    /// `host[:port][/path]`; the image is `<prefix>/<app>-<component>-<container>`.
    pub prefix: String,
    /// Speak plain http to this registry.
    #[serde(default)]
    pub insecure: bool,
    /// The certificate authority of this registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaSpec>,
}

/// A certificate authority, as a key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaSpec {
    /// Name of the ConfigMap in the build namespace.
    pub config_map: String,
    /// Key in it. Default: `ca.crt`.
    #[serde(default = "CaSpec::default_key")]
    pub key: String,
}

impl CaSpec {
    fn default_key() -> String {
        "ca.crt".to_owned()
    }
}

/// What the executor may use, as Kubernetes quantities.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourcesSpec {
    /// Requested cores; not a limit. Default: `250m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Requested memory, and its limit. Default: `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Requested scratch space, and its limit. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<String>,
}

/// The five timeouts, as `90s`, `30m`, `1h 30m`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimeoutsSpec {
    /// Waiting for a free place. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
    /// Waiting for a node. Default: `15m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<String>,
    /// Pulling the executor's image and mounting what it needs. Default: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulling: Option<String>,
    /// Running the executor. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// The container's whole build, waiting and all attempts included. Default: `48h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
}

/// The layer cache.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheSpec {
    /// Keep and use the layers of `RUN` instructions. Default: true.
    #[serde(default = "CacheSpec::default_enabled")]
    pub enabled: bool,
    /// Repository of the layers. Default: `<prefix>/<app>-cache`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Age at which a layer is built again. Default: `336h`, two weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

impl CacheSpec {
    fn default_enabled() -> bool {
        true
    }
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
