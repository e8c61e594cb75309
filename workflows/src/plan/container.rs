//! The plan of one container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Timeouts;
use crate::{
    names,
    spec::{BuildSecret, CaSpec, GitSource, Yields},
};

/// One container: what becomes of it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPlan {
    /// Name of the app.
    pub app: String,
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// Version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// True where it is an init container.
    pub init: bool,
    /// How its registry is reached.
    pub registry: Registry,
    /// Build an image, or use one.
    pub work: Work,
}

impl ContainerPlan {
    /// The container among all containers of the app: `component/container`.
    pub fn path(&self) -> String {
        names::container(&self.component, &self.container)
    }

    /// Where the code is; none if an image is used as it is.
    pub fn source(&self) -> Option<&GitSource> {
        self.work.as_build().map(|build| &build.source)
    }

    /// The containers that it is built from, as `component/container`.
    pub fn from(&self) -> &[String] {
        self.work.as_build().map_or(&[], |build| &build.from)
    }

    /// The platforms that its image is an index of; none if there is one image.
    pub fn several(&self) -> &[String] {
        self.work.as_build().map_or(&[], BuildPlan::several)
    }
}

/// Build an image, or use one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// Use this image as it is.
    Use {
        /// The image, with its registry and tag or digest.
        image: String,
        /// The timeouts; only the whole one counts.
        timeouts: Timeouts,
    },
    /// Build one.
    Build(Box<BuildPlan>),
}

impl Work {
    /// The timeouts.
    pub fn timeouts(&self) -> Timeouts {
        match self {
            Self::Use { timeouts, .. } => *timeouts,
            Self::Build(build) => build.timeouts,
        }
    }

    /// The build, where there is one.
    pub fn as_build(&self) -> Option<&BuildPlan> {
        match self {
            Self::Use { .. } => None,
            Self::Build(build) => Some(build),
        }
    }
}

/// How a registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// Its `host[:port]`, if the spec names a registry. The other fields are for this host only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Plain http.
    pub insecure: bool,
    /// Its certificate authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaSpec>,
    /// Secret with the credentials for all registries of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// How an image is built.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    /// Where the code is.
    pub source: GitSource,
    /// The containers that it is built from, as `component/container`, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Directory of the source that is the context; `""` is its root. No `.` and no `//` in it.
    pub context_dir: String,
    /// The Dockerfile, a path in the context. No `.` and no `//` in it.
    pub dockerfile: String,
    /// Values of the Dockerfile template; none where it is no template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<BTreeMap<String, Value>>,
    /// Values of `ARG`s, still templates of the five variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// The stage to build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The image, without tag.
    pub repository: String,
    /// Tags beside the first one, still templates of the five variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Labels of the image, still templates of the five variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The layer cache; none where it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// More flags for Kaniko.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Build secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<BuildSecret>,
    /// Replace Git LFS pointer files.
    #[serde(default)]
    pub lfs: bool,
    /// Resolve the images that the Dockerfile names to digests.
    #[serde(default)]
    pub pin: bool,
    /// Repository of the images that are used again; none where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<String>,
    /// How soon its Pod is created where many builds wait; none is the usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// With which builds it takes turns; none is those of its app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness_key: Option<String>,
    /// The platforms, each once and sorted, so that the same platforms make the same index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// What becomes of the last stage.
    #[serde(default)]
    pub yields: Yields,
    /// What the executor may use.
    pub resources: Resources,
    /// The five timeouts.
    pub timeouts: Timeouts,
}

impl BuildPlan {
    /// The platforms that it has an index of: none where there is one image.
    pub fn several(&self) -> &[String] {
        if self.platforms.len() > 1 { &self.platforms } else { &[] }
    }

    /// The one platform that it is built for, where one is named.
    pub fn platform(&self) -> Option<&str> {
        match self.platforms.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// The layer cache.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cache {
    /// Repository of the layers.
    pub repo: String,
    /// Age at which a layer is built again, in seconds.
    pub ttl: u64,
}

/// What the executor may use, as Kubernetes quantities.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Requested cores; not a limit.
    pub cpu: String,
    /// Requested memory, and its limit.
    pub memory: String,
    /// Requested scratch space, and its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<String>,
}
