//! The names and sources of a plan: small, whatever the document.

use serde::{Deserialize, Serialize};

use super::{BuildPlan, ComponentPlan, ContainerPlan, Delivery, GitSource, Place, Plan, Registry};
use crate::{
    names,
    spec::{Approval, OnFailure},
};

impl Plan {
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
