//! `tag`: gives images the names and tags of their builds. No other step writes a tag of an image.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{
    failure::FailureType,
    names,
    steps::{ImageTags, Reuse, TagInput},
};

use crate::{
    error::is,
    registry::{RegistryClient, Repository, place_known},
};

/// Images that are tagged side by side.
const SIDE_BY_SIDE: usize = 8;

/// Copies each image to its own repository under its tags, unless it is there, and keeps it under its
/// content key for later builds. Tagging twice is tagging once.
pub async fn tag(registry: &RegistryClient, input: TagInput) -> anyhow::Result<()> {
    // A list, as a closure that lives on would tie this to one thread.
    let all: Vec<_> = input.images.iter().map(|image| tag_one(registry, image)).collect();
    stream::iter(all).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

async fn tag_one(registry: &RegistryClient, image: &ImageTags) -> anyhow::Result<()> {
    let from = registry.open(&image.from, &image.registry).await?;
    let own = registry.open(&image.to, &image.registry).await?;
    place_known(&from, &image.digest, &own, &image.tags).await?;
    keep(registry, image, &own, &image.digest, image.keep.as_ref()).await?;
    for child in &image.children {
        // Registries delete an image without a tag, whatever index holds it.
        let tags = [names::child_tag(&child.digest)];
        place_known(&own, &child.digest, &own, &tags).await?;
        keep(registry, image, &own, &child.digest, child.keep.as_ref()).await?;
    }
    Ok(())
}

/// Puts an image under its content key. A build that has its image does not fail where that is refused;
/// it waits where the registry is away.
async fn keep(
    registry: &RegistryClient,
    image: &ImageTags,
    own: &Repository,
    digest: &str,
    reuse: Option<&Reuse>,
) -> anyhow::Result<()> {
    let Some(Reuse { repository, key }) = reuse else { return Ok(()) };
    let keeping = async {
        let kept = registry.open(repository, &image.registry).await?;
        place_known(own, digest, &kept, std::slice::from_ref(key)).await
    };
    match keeping.await {
        Err(error) if !is(&error, FailureType::RegistryUnavailable) => {
            tracing::warn!(repository, key, "the image is not kept for later builds: {error:#}");
            Ok(())
        }
        kept => kept.map(drop),
    }
}
