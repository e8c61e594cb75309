//! What a parent workflow hands to its children beside their part of the spec.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::output::ContainerImage;

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
