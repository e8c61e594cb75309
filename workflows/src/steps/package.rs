//! Delivery packages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    build_id::BuildId,
    output::{ContainerImage, Package},
    plan::{Delivery, Place, Registry},
};

/// What a package is made of.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliverInput {
    /// The build that needs it; its container is empty.
    pub id: BuildId,
    /// Name of the app.
    pub app: String,
    /// Name of the component; none for the app's own package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Version of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it goes, and its files; none where there is no registry, and so no package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Commit of the files' source, where a parent has found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// A component's images, in plan order.
    #[serde(default)]
    pub images: Vec<ContainerImage>,
    /// An app's components, in plan order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Delivered>,
    /// The registries of images, by container, if they differ from the package's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, Registry>,
    /// When the workflow started, as RFC 3339.
    pub started: String,
    /// When everything was there, as RFC 3339.
    pub finished: String,
}

/// A component's package, as it enters the app's.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Delivered {
    /// Where it is.
    pub place: Place,
    /// The package.
    pub package: Package,
}
