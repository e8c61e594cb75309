//! Images in their registry.

use serde::{Deserialize, Serialize};

use super::BuildId;
use crate::{output::PlatformImage, plan::Registry};

/// Where an image that may be used again is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reuse {
    /// Repository of all such images.
    pub repository: String,
    /// Content key of this one.
    pub key: String,
}

/// An image in its registry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// Config and layers as they are stored, in bytes.
    pub size: u64,
    /// `os/architecture`.
    pub platform: String,
    /// Seconds from the Pod's creation to the end of its executor; 0 where there was no Pod.
    #[serde(default)]
    pub pod_seconds: f64,
    /// The images of its platforms, where it is an index that was built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<PlatformImage>,
    /// Whether all that its execution made in the cluster is removed already: then nobody needs to
    /// clean up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tidied: bool,
}

/// An index to put.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexInput {
    /// Whose it is.
    pub id: BuildId,
    /// The image, without tag. Every platform's image is there.
    pub repository: String,
    /// All tags of the image.
    pub tags: Vec<String>,
    /// The images, in the order of the index.
    pub images: Vec<PlatformImage>,
    /// How its registry is reached.
    pub registry: Registry,
}

/// An image to look up.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ResolveInput {
    /// The image, with its registry and tag or digest.
    pub image: String,
    /// How its registry is reached.
    pub registry: Registry,
}
