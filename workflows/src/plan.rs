//! What will be done: a spec with every default filled in and every fault found.

mod delivery;
mod graph;
mod lower;
mod shared;
mod timeouts;
mod weight;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use shared::LONGEST_TIMEOUT;
pub(crate) use shared::seconds as timeout_of;
pub use timeouts::{Timeout, Timeouts};

use crate::{
    document::{Document, Kind},
    fault::Faults,
    names,
    spec::{Approval, BuildSecret, CaSpec, FileSpec, OnFailure, Yields},
};

/// Reads a document and says what will be done for it, or every fault of its shape and meaning.
pub fn read(kind: Kind, raw: Value) -> Result<(Document, Plan), Faults> {
    let (document, mut faults) = kind.read(raw);
    let Some(document) = document else {
        return Err(faults);
    };
    let (plan, meaning) = lower::lower(&document);
    faults.extend(meaning);
    faults.or((document, plan))
}

/// What will be done for a document.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Name of the app.
    pub app: String,
    /// Version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many containers may be in flight at once.
    pub max_parallel: u32,
    /// Whether the first container that fails ends the others; without it they go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// What becomes of the build while a container has failed.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
    /// Whose consent the package needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// In the order of the document.
    pub components: Vec<ComponentPlan>,
    /// Whether the version is to be found: it is none until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_version: bool,
    /// Whether there is a build only where something changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_if_changed: bool,
    /// Whether the document is an app.
    #[serde(default)]
    pub is_app: bool,
    /// The app's package; none where the document is no app, or no registry is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl Plan {
    /// All containers, in plan order.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerPlan> {
        self.components.iter().flat_map(|component| &component.containers)
    }

    /// The same of another version.
    pub fn of_version(mut self, version: Option<String>) -> Self {
        let containers = self.components.iter_mut().flat_map(|one| &mut one.containers);
        containers.for_each(|container| container.version.clone_from(&version));
        Self { version, ..self }
    }

    /// The plan without what only a container's own build needs: small, whatever the document.
    pub fn outline(&self) -> Outline {
        let mut sources: Vec<GitSource> = Vec::new();
        let of_files = |delivery: &'_ Option<Delivery>| delivery.as_ref()?.source.clone();
        let files = self.components.iter().filter_map(|component| of_files(&component.delivery));
        let containers = self.containers().filter_map(ContainerPlan::source).cloned();
        for source in containers.chain(files).chain(of_files(&self.delivery)) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        let component = |component: &ComponentPlan| {
            let place = component.delivery.as_ref().map(|delivery| delivery.place.clone());
            let container = |one: &ContainerPlan| OutlinedContainer {
                name: one.container.clone(),
                source: one.source().map(GitSource::key),
                from: one.work.as_build().map(|build| build.from.clone()).unwrap_or_default(),
                registry: Some(one.registry.clone())
                    .filter(|own| place.as_ref().is_some_and(|place| place.registry != *own)),
                whole: (!self.on_failure.is_default()).then(|| one.work.timeouts().whole),
                platforms: one.work.as_build().map(BuildPlan::several).unwrap_or_default().to_vec(),
            };
            OutlinedComponent {
                name: component.name.clone(),
                containers: component.containers.iter().map(container).collect(),
                source: of_files(&component.delivery).map(|source| source.key()),
                place: place.clone(),
            }
        };
        let of_component = || self.components.first()?.delivery.clone();
        Outline {
            app: self.app.clone(),
            version: self.version.clone(),
            max_parallel: self.max_parallel,
            fail_fast: self.fail_fast,
            on_failure: self.on_failure,
            approval: self.approval,
            sources,
            components: self.components.iter().map(component).collect(),
            auto_version: self.auto_version,
            only_if_changed: self.only_if_changed,
            delivery: if self.is_app { self.delivery.clone() } else { of_component() },
        }
    }
}

/// The containers of one component.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentPlan {
    /// Name of the component.
    pub name: String,
    /// In the order of the document.
    pub containers: Vec<ContainerPlan>,
    /// Its package; none where a container is built alone, or no registry is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// A package: where it goes, and what enters it beside the images.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Where it goes.
    pub place: Place,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSpec>,
    /// Directory of the component's Helm chart. No `.` and no `//` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Where its files and its chart are, where any is out of a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<GitSource>,
}

/// Where a package goes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Name of the component; none where it is an app's package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Its name, without tag.
    pub repository: String,
    /// How its registry is reached.
    pub registry: Registry,
}

/// The names of what will be done, and each distinct source once.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline {
    /// Name of the app.
    pub app: String,
    /// Version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many containers may be in flight at once.
    pub max_parallel: u32,
    /// Whether the first container that fails ends the others; without it they go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// What becomes of the build while a container has failed.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
    /// Whose consent the package needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Each distinct source once.
    pub sources: Vec<GitSource>,
    /// In the order of the document.
    pub components: Vec<OutlinedComponent>,
    /// Whether the version is to be found: it is none until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_version: bool,
    /// Whether there is a build only where something changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_if_changed: bool,
    /// The package that the document's own workflow makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// The name of a container, and which source it needs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlinedContainer {
    /// Its name.
    pub name: String,
    /// Key of its source; none where an image is used as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The containers that it is built from, as `component/container`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// How its registry is reached, where that is not its package's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// Its whole timeout in seconds, where its failure is waited with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<u64>,
    /// What it is built for, where that is several platforms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
}

/// The names of a component and its containers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlinedComponent {
    /// Name of the component.
    pub name: String,
    /// Its containers.
    pub containers: Vec<OutlinedContainer>,
    /// Key of its files' source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where its package goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl OutlinedComponent {
    /// Keys of the sources that it needs.
    pub fn sources(&self) -> impl Iterator<Item = &String> {
        self.containers.iter().filter_map(|one| one.source.as_ref()).chain(&self.source)
    }

    /// Those of its own containers that one of them is built from.
    pub fn own<'a>(&'a self, one: &'a OutlinedContainer) -> impl Iterator<Item = &'a String> {
        one.from.iter().filter(|name| names::is_of(name, &self.name))
    }

    /// The containers of other components that its own are built from.
    pub fn needs(&self) -> impl Iterator<Item = &String> {
        let of_others = |name: &&String| !names::is_of(name, &self.name);
        self.containers.iter().flat_map(|one| &one.from).filter(of_others)
    }
}

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
    fn source(&self) -> Option<&GitSource> {
        self.work.as_build().map(|build| &build.source)
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
    /// Its `host[:port]`; none where a spec names no registry. Neither plain http, nor the
    /// authority, nor a refusal of the Secret means another host.
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
    /// What it is built for, each once and sorted, so that the same platforms make the same index;
    /// none is whatever node takes the Pod.
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

/// A git repository at a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GitSource {
    /// Where it is. It holds no password.
    pub url: String,
    /// What was asked for; none is the repository's `HEAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Secret with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Fetch submodules too.
    #[serde(default)]
    pub submodules: bool,
}

impl GitSource {
    /// What tells this source from others: two sources with one key are fetched once.
    pub fn key(&self) -> String {
        let revision = self.revision.as_deref().unwrap_or("HEAD");
        let secret = self.secret.as_deref().map(|name| format!(" by {name}")).unwrap_or_default();
        let submodules = if self.submodules { " with submodules" } else { "" };
        format!("{}#{revision}{secret}{submodules}", self.url)
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
