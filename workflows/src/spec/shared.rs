//! The fields that an app, a component and a container share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fields that an app, a component and a container share. The innermost value applies.
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
    /// Resources of the executor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesSpec>,
    /// How long each phase may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsSpec>,
    /// The layer cache. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSpec>,
    /// Name of a `kubernetes.io/dockerconfigjson` Secret for pushing images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_secret: Option<String>,
    /// Name of a `kubernetes.io/dockerconfigjson` Secret for pulling images. A Pod has one such
    /// Secret: if `pushSecret` is set too, both must name the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// Whether to reuse an image that was built from the same content. Default: `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<ReuseSpec>,
    /// Priority among the builds that wait for room: 2 goes before 3. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 5))]
    pub priority: Option<u32>,
    /// Builds that wait for room take turns by this key, for example the name of a team. A DNS
    /// label. Default: the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness_key: Option<String>,
    /// Whether to resolve the base images of a Dockerfile to digests before the build. An image with
    /// unpinned bases is never reused. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<bool>,
    /// Platforms to build for, such as `[linux/amd64, linux/arm64]`: each on a node of its own
    /// platform, several as one image index. Default: the platform of the node that takes the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platforms: Option<Vec<String>>,
}

/// Whether to reuse an image that was built from the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReuseSpec {
    /// Every build has its own Pod.
    Never,
    /// An image is reused, and equal builds at the same time share one Pod.
    Full,
}

/// Where code is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSpec {
    /// A git repository.
    pub git: GitSource,
}

/// A git repository at a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "GitSpec")]
pub struct GitSource {
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

impl GitSource {
    /// Identifies the source: Kilnworks fetches two sources with one key once.
    pub fn key(&self) -> String {
        let revision = self.revision.as_deref().unwrap_or("HEAD");
        let secret = self.secret.as_deref().map(|name| format!(" by {name}")).unwrap_or_default();
        let submodules = if self.submodules { " with submodules" } else { "" };
        format!("{}#{revision}{secret}{submodules}", self.url)
    }
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

/// Resources of the executor, as Kubernetes quantities.
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

impl ResourcesSpec {
    /// Each field by its name in the spec.
    pub(crate) fn named(&self) -> [(&'static str, &Option<String>); 3] {
        [
            ("cpu", &self.cpu),
            ("memory", &self.memory),
            ("ephemeralStorage", &self.ephemeral_storage),
        ]
    }

    /// Replaces the fields that are given.
    pub(crate) fn replace(&mut self, given: &Self) {
        let Self { cpu, memory, ephemeral_storage } = given.clone();
        self.cpu = cpu.or(self.cpu.take());
        self.memory = memory.or(self.memory.take());
        self.ephemeral_storage = ephemeral_storage.or(self.ephemeral_storage.take());
    }
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
    /// The whole build of the container, with all waits and attempts. Default: `48h`.
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
