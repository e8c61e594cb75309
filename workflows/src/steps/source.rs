//! Sources, and what is published of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ImageTags;
use crate::{
    build_id::BuildId,
    output::ContainerImage,
    plan::{ContainerPlan, GitSource, Place, Plan},
};

/// A source to fetch.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FetchInput {
    /// The build that needs it.
    pub id: BuildId,
    /// Where the code is.
    pub source: GitSource,
}

/// A fetched source.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Fetched {
    /// The commit that the revision is.
    pub commit: String,
}

/// Images to look for: those of the containers of one source.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FindImagesInput {
    /// The build that needs them.
    pub id: BuildId,
    /// The commit of the source.
    pub commit: String,
    /// The containers, with the version of the build.
    pub containers: Vec<ContainerPlan>,
    /// What is published under this version already, as `name@sha256:…`, by component.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, String>,
}

/// Images that are there already.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ReadyImages {
    /// The images.
    pub images: Vec<ReadyImage>,
}

/// An image that is there already, once it has its names.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReadyImage {
    /// What the build returns of it.
    pub image: ContainerImage,
    /// The names that it still needs.
    pub tags: ImageTags,
}

/// A version to look up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInput {
    /// The build that needs it.
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

/// What is to be compared with what is published.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CompareInput {
    /// The build that needs it.
    pub id: BuildId,
    /// What would be done.
    pub plan: Plan,
}
