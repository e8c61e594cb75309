//! The fields that an app, a component and a container share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
