//! Images in their registry.

use serde::{Deserialize, Serialize};

use super::{Rendered, RenderedPlatform};
use crate::{
    build_id::BuildId,
    output::PlatformImage,
    plan::{ContainerPlan, Registry},
};

/// Where an image is kept for later builds of the same content.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reuse {
    /// Repository of all such images.
    pub repository: String,
    /// Content key of this image.
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
    /// The images of its platforms, where it is an index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<PlatformImage>,
}

/// An image to look for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindImageInput {
    /// The build that needs it.
    pub id: BuildId,
    /// Repository of the images that are kept by their keys, if the build reuses images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Content key of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Content key for each of several platforms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<RenderedPlatform>,
    /// The package that has the build's version already: only the image in it will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// How its registry is reached.
    pub registry: Registry,
}

/// A published package.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The package, as `name@sha256:…`.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
}

impl FindImageInput {
    /// Whether no image can be found by a key.
    pub fn is_keyless(&self) -> bool {
        self.key.is_none() && self.platforms.iter().all(|one| one.key.is_none())
    }

    /// The image that a container's build would make. `package` is what has its version already.
    pub fn of(
        id: BuildId,
        plan: &ContainerPlan,
        rendered: &Rendered,
        package: Option<String>,
    ) -> Self {
        let published = package.map(|package| Published {
            package,
            version: plan.version.clone().unwrap_or_default(),
            component: plan.component.clone(),
            container: plan.container.clone(),
        });
        Self {
            id,
            kept: plan.work.as_build().and_then(|build| build.reuse.clone()),
            key: rendered.key.clone(),
            platforms: rendered.platforms.clone(),
            published,
            registry: plan.registry.clone(),
        }
    }
}

/// An image and the repository that has all of it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundImage {
    /// The repository, without tag.
    pub repository: String,
    /// The image.
    pub built: Built,
}

/// What was found of an image.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundImages {
    /// The image as a whole; of several platforms, their index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<FoundImage>,
    /// The image of each platform, in the order of the platforms, where the index is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Option<FoundImage>>,
}

impl FoundImages {
    /// Whether only the index of the platforms' images is missing.
    pub fn is_of_every_platform(&self) -> bool {
        !self.platforms.is_empty() && self.platforms.iter().all(Option::is_some)
    }
}

/// The image of one platform, to be put into an index.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformSource {
    /// The repository that has it, without tag.
    pub repository: String,
    /// The image.
    pub image: PlatformImage,
}

/// An index to put.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexInput {
    /// The build that needs it.
    pub id: BuildId,
    /// The image, without tag. Images that are elsewhere are copied here first.
    pub repository: String,
    /// The images, in the order of the index.
    pub images: Vec<PlatformSource>,
    /// How its registry is reached.
    pub registry: Registry,
}

/// Images to tag.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagInput {
    /// The build that needs it.
    pub id: BuildId,
    /// The images.
    pub images: Vec<ImageTags>,
}

/// An image, and the names that it gets.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageTags {
    /// The repository that has it, without tag.
    pub from: String,
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// The image's own repository, without tag. It is copied there unless it is there already.
    pub to: String,
    /// All tags of the image.
    pub tags: Vec<String>,
    /// Where it is kept for later builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Reuse>,
    /// The images of its platforms, where it is an index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ChildImage>,
    /// How its registry is reached.
    pub registry: Registry,
}

/// An image of an index.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildImage {
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// Where it is kept for later builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Reuse>,
}

impl ImageTags {
    /// The tags of a container's image; none where nothing is built.
    pub fn of(plan: &ContainerPlan, rendered: &Rendered, image: &FoundImage) -> Option<Self> {
        let build = plan.work.as_build()?;
        let keep = |key: Option<&String>| {
            let (repository, key) = build.reuse.clone().zip(key.cloned())?;
            Some(Reuse { repository, key })
        };
        let children = image.built.platforms.iter().map(|child| ChildImage {
            digest: child.digest.clone(),
            keep: keep(rendered.key_for(&child.platform)),
        });
        Some(Self {
            from: image.repository.clone(),
            digest: image.built.digest.clone(),
            to: build.repository.clone(),
            tags: rendered.tags.clone(),
            keep: keep(rendered.key_of(&image.built)),
            children: children.collect(),
            registry: plan.registry.clone(),
        })
    }
}

/// An image to look up.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ResolveInput {
    /// The build that needs it.
    pub id: BuildId,
    /// The image, with its registry and tag or digest.
    pub image: String,
    /// How its registry is reached.
    pub registry: Registry,
}
