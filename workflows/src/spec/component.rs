//! A component and the files of packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ContainerSpec, Shared};

/// A component: containers that are released together.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct ComponentSpec {
    /// Name of the component: a DNS label, unique in the app.
    pub name: String,
    /// What the containers of this component inherit, before the defaults of the app.
    #[serde(flatten)]
    pub shared: Shared,
    /// The containers: at least one, unless `chart` is set.
    #[serde(default)]
    pub containers: Vec<ContainerSpec>,
    /// Directory of a Helm chart in the source. The package contains the chart unchanged, except
    /// that it gets the version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Files of the component's package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileSpec>,
}

/// A file of a package, from the source or written here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSpec {
    /// Its name in the package, a relative path. Default: `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A file or a directory of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The file itself, instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether it is a template, rendered with the images' references. Default: true.
    #[serde(default = "FileSpec::default_template")]
    pub template: bool,
    /// Its media type. Default: by the ending of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

impl FileSpec {
    fn default_template() -> bool {
        true
    }
}
