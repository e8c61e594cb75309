//! The Dockerfile of a container, and what is known of its image before it is built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Built;
use crate::{build_id::BuildId, names, output::Base, plan::ContainerPlan};

/// A Dockerfile to render.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RenderInput {
    /// The build that needs it.
    pub id: BuildId,
    /// The container.
    pub plan: ContainerPlan,
    /// The commit.
    pub commit: String,
    /// The images that it is built from, as `name@sha256:…`, by `component/container`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
}

/// What is rendered for a container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    /// The Dockerfile, at most 64 KiB together with the ignore file.
    pub dockerfile: String,
    /// The file `<dockerfile>.dockerignore` beside it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerignore: Option<String>,
    /// Values of `ARG`s.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// Labels of the image.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// All tags, the first one first.
    pub tags: Vec<String>,
    /// Content key of the context.
    #[serde(default)]
    pub content: String,
    /// The images that the build stands on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Base>,
    /// Content key of the image or index. Images with the same key are the same, except for what their
    /// instructions download. None if the render cannot see everything that changes the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The platform of the key, if the spec names none: that of the worker's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_platform: Option<String>,
    /// The platforms, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<RenderedPlatform>,
}

impl Rendered {
    /// What is rendered for one of its platforms alone. It has no tags: those are the index's.
    pub fn of(&self, one: &RenderedPlatform) -> Self {
        Self { tags: Vec::new(), key: one.key.clone(), platforms: Vec::new(), ..self.clone() }
    }

    /// A hash of what is built: an object or a tag of an earlier rendering has another one.
    pub fn identity(&self) -> String {
        let parts = (&self.key, &self.content, &self.dockerfile, &self.dockerignore);
        names::hex(format!("{parts:?}").as_bytes())
    }

    /// The key under which an image is kept; none if a node of another platform built it.
    pub fn key_of(&self, image: &Built) -> Option<&String> {
        let is_expected = self.key_platform.as_ref().is_none_or(|it| *it == image.platform);
        self.key.as_ref().filter(|_| is_expected)
    }

    /// The key under which the image of one of several platforms is kept.
    pub fn key_for(&self, platform: &str) -> Option<&String> {
        self.platforms.iter().find(|one| one.platform == platform)?.key.as_ref()
    }
}

/// One of several platforms of a container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RenderedPlatform {
    /// As the spec names it.
    pub platform: String,
    /// Content key of its image; none where something from outside may change the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
