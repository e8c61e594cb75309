//! Sources, and what is published of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BuildId;
use crate::{
    document::Kind,
    output::ContainerImage,
    plan::{GitSource, Place},
};

/// A source to fetch.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FetchInput {
    /// Who waits for it.
    #[serde(default)]
    pub id: BuildId,
    /// Where the code is.
    pub source: GitSource,
    /// Containers whose images are looked for, too, once it is fetched: those that are there already
    /// need no workflow of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
}

/// Containers whose images may be there already.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Wanted {
    /// An app or a component.
    pub kind: Kind,
    /// The document, with those containers alone.
    pub document: Value,
    /// The version of the build, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is published under this version already, as `name@sha256:…`, by component.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, String>,
}

/// A fetched source.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Fetched {
    /// The commit that the revision is.
    pub commit: String,
    /// The images that are there already. They have the build's own name and tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<ContainerImage>,
}

/// A version to look up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInput {
    /// Who waits for it.
    pub id: BuildId,
    /// The version; none where one is to be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version that is found is higher than this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Where the packages go: first the one by whose versions one is found.
    pub places: Vec<Place>,
}

/// A version, and what is published under it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Versioned {
    /// The version.
    pub version: String,
    /// The packages that are published under it, as `name@sha256:…`, in the order of the places.
    pub published: Vec<Option<String>>,
}

/// A document, of which it is asked whether it comes to anything new.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CompareInput {
    /// Who waits for it.
    pub id: BuildId,
    /// An app or a component.
    pub kind: Kind,
    /// The document.
    pub document: Value,
}
