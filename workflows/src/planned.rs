//! What a build will do, small enough for an answer: that of the query `plan`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    plan::{ComponentPlan, GitSource, Plan},
    spec::{Approval, OnFailure},
};

/// What a build will do: names, sources, order.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Name of the app.
    pub app: String,
    /// Version of the app; none where it is found while the build runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many containers may be in flight at once.
    pub max_parallel: u32,
    /// Whether the first container that fails ends the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
    /// What becomes of the build while a container has failed.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Whose consent the package needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Each distinct source once.
    #[serde(default)]
    pub sources: Vec<PlannedSource>,
    /// In the order in which they are begun.
    #[serde(default)]
    pub components: Vec<PlannedComponent>,
}

/// A source.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSource {
    /// Where it is.
    pub url: String,
    /// What was asked for; none is the repository's `HEAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// A component.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedComponent {
    /// Its name.
    pub name: String,
    /// In the order in which they are begun.
    #[serde(default)]
    pub containers: Vec<PlannedContainer>,
}

/// A container.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedContainer {
    /// Its name.
    pub name: String,
    /// Its place in `sources`, counted from 0; none where an image is used as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<usize>,
    /// The containers that it is built from, as `component/container`: they come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
}

impl Planned {
    /// The part of a plan that the query answers.
    pub(crate) fn of(plan: &Plan) -> Self {
        let all = plan.sources();
        let source = |source: &&GitSource| PlannedSource {
            url: source.url.clone(),
            revision: source.revision.clone(),
        };
        Self {
            app: plan.app.clone(),
            version: plan.version.clone(),
            max_parallel: plan.max_parallel,
            fail_fast: plan.fail_fast,
            on_failure: plan.on_failure,
            approval: plan.approval,
            sources: all.iter().map(source).collect(),
            components: plan.components.iter().map(|one| component(one, &all)).collect(),
        }
    }
}

fn component(component: &ComponentPlan, sources: &[&GitSource]) -> PlannedComponent {
    let containers = component.containers.iter().map(|container| PlannedContainer {
        name: container.container.clone(),
        source: sources.iter().position(|source| Some(*source) == container.source()),
        from: container.from().to_vec(),
    });
    PlannedComponent { name: component.name.clone(), containers: containers.collect() }
}
