//! What will be done: a spec with every default filled in and every fault found.

mod container;
mod delivery;
mod graph;
mod lower;
mod shared;
mod timeouts;
mod weight;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::spec::GitSource;
pub use container::{BuildPlan, Cache, ContainerPlan, Registry, Resources, Work};
pub use shared::LONGEST_TIMEOUT;
pub(crate) use shared::seconds as timeout_of;
pub use timeouts::{Timeout, Timeouts};

use crate::{
    document::{Document, Kind},
    fault::Faults,
    names,
    spec::{Approval, FileSpec, OnFailure},
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

    /// Each distinct source once.
    pub fn sources(&self) -> Vec<&GitSource> {
        let containers = self.containers().filter_map(ContainerPlan::source);
        let components = self.components.iter().filter_map(|one| one.delivery.as_ref());
        let packages = components.chain(&self.delivery).filter_map(|one| one.source.as_ref());
        let mut sources = Vec::new();
        for source in containers.chain(packages) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }

    /// The package that the workflow of the document makes.
    pub fn own_delivery(&self) -> Option<&Delivery> {
        match self.is_app {
            true => self.delivery.as_ref(),
            false => self.components.first()?.delivery.as_ref(),
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

impl ComponentPlan {
    /// The sources that it needs.
    pub fn sources(&self) -> impl Iterator<Item = &GitSource> {
        let files = self.delivery.as_ref().and_then(|delivery| delivery.source.as_ref());
        self.containers.iter().filter_map(ContainerPlan::source).chain(files)
    }

    /// The containers of this component that a container of it is built from.
    pub fn own<'a>(&'a self, one: &'a ContainerPlan) -> impl Iterator<Item = &'a String> {
        one.from().iter().filter(|name| names::is_of(name, &self.name))
    }

    /// The containers of other components that its containers are built from.
    pub fn needs(&self) -> impl Iterator<Item = &String> {
        let of_others = |name: &&String| !names::is_of(name, &self.name);
        self.containers.iter().flat_map(ContainerPlan::from).filter(of_others)
    }
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
