//! A container.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Shared, one_or_many};

/// What a build makes of its last stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Yields {
    /// An image.
    #[default]
    Image,
    /// Single files of the component's package.
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
    /// An image to use instead of building one. Fields about building are not accepted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The containers that this one is built from: one or a list, each as `container` of the same
    /// component or `component/container`. The Dockerfile is a template then, and must use
    /// `{{ images.<container>.reference }}` of each.
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
    /// Values of the Dockerfile template. The Dockerfile is a template if this field is set (even to
    /// an empty map), if `from` is set, or if its name ends in `.tpl` or `.j2`.
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
    /// More flags for Kaniko, as `--flag` or `--flag=value`, except those that Kilnworks sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kaniko: Vec<String>,
    /// Build secrets: files that a `RUN` can read and that are in no layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<BuildSecret>,
    /// Replace Git LFS pointer files of the context. If false, a pointer file is an error.
    #[serde(default)]
    pub lfs: bool,
    /// `files` puts the files of the last stage into the package, instead of an image.
    #[serde(default)]
    pub yields: Yields,
    /// The fields that a container can inherit.
    #[serde(flatten)]
    pub shared: Shared,
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
