//! What a delivery package tells of itself: the record, a JSON document in it. Public wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::output::ContainerImage;

/// The only `apiVersion` of records.
pub const API_VERSION: &str = "kilnworks.package/v1";

/// The record of a component's or an app's package.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `kilnworks.package/v1`.
    pub api_version: String,
    /// Name of the app.
    pub app: String,
    /// Name of the component; none in the app's own package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// One per container, in plan order. Each has its `made`, unless it was used as it is.
    pub images: Vec<ContainerImage>,
    /// The files of the package, those of its components included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PackagedFile>,
    /// The Helm charts of the package, those of its components included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<PackagedChart>,
    /// Who made the package.
    pub run: Run,
}

/// A file of a package.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackagedFile {
    /// Name of the component; none where it is the app's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Name of the container that yielded it; none where the spec asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Its name: a relative path.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// `sha256:…` of the template that it was rendered from, which is in the package too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Commit that the template was read at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// A Helm chart of a package.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackagedChart {
    /// Name of the component.
    pub component: String,
    /// Name of the chart.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `name:tag`, as `helm pull oci://…` takes it.
    pub reference: String,
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// Commit that it was read at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Who made a package.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Id of the workflow.
    pub workflow_id: String,
    /// Run id of its first execution.
    pub run_id: String,
    /// When it started, as RFC 3339.
    pub started: String,
    /// When everything in the package was there, as RFC 3339.
    pub finished: String,
    /// Version of Kilnworks.
    pub kilnworks: String,
}
