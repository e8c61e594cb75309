//! What a parent workflow hands to its children.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::output::ContainerImage;

/// What a parent workflow hands to its children.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolved {
    /// Commit of each distinct source, by [`crate::spec::GitSource::key`].
    #[serde(default)]
    pub commits: BTreeMap<String, String>,
    /// The images that its containers are built from, as `name@sha256:…`, by `component/container`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// Id of the workflow that a user started. It shows what its builds wait for.
    pub root: String,
    /// The package that has this version already, as `name@sha256:…`. Other content is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// Containers that wait for `resume`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<String>,
    /// Containers that a user cancelled before they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<String>,
    /// Images that exist already, also those of an earlier run of the component.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<ContainerImage>,
}
