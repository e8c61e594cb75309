//! The Dockerfile of a container, and what is known of its image before it is built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BuildId, Built, Context, Launched};
use crate::{
    output::Base,
    plan::{Clocks, ContainerPlan},
};

/// A Dockerfile to render.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RenderInput {
    /// Whose it is.
    #[serde(default)]
    pub id: BuildId,
    /// The container.
    pub plan: ContainerPlan,
    /// The commit.
    pub commit: String,
    /// The package that is published under this version already, as `name@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// The images that it is built from, as `name@sha256:…`, by `component/container`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// Whether the context is put into the store, too, where the image is not there already: one
    /// step less.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_context: bool,
    /// The clocks of its first attempt, where that may be launched and awaited, too, if there is
    /// room for it at once: one step less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Clocks>,
    /// Whether an earlier rendering, which gave nothing, may have launched it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
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
    /// Content key of the image: what has the same key is the same image, up to what its
    /// instructions fetch. None where that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The image, where it is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<Built>,
    /// The platforms, where there are several. The key above tells their index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<RenderedPlatform>,
    /// The context, where it was put into the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
    /// The first attempt's Pod or Job, where it was launched, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched: Option<Launched>,
    /// Whether it may have been launched, and nobody can say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl Rendered {
    /// What is rendered for one of its platforms alone. It has no tags: those are the index's.
    pub fn of(&self, one: &RenderedPlatform) -> Self {
        Self {
            tags: Vec::new(),
            key: one.key.clone(),
            reused: None,
            platforms: Vec::new(),
            ..self.clone()
        }
    }
}

/// What is known of the image of one of several platforms before it is built.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RenderedPlatform {
    /// As the spec names it.
    pub platform: String,
    /// Content key of its image; none where that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The image, where it is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<Built>,
}
