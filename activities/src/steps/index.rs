//! `index`: one image for several platforms, made of the image of each.

use kilnworks_workflows::{
    output::PlatformImage,
    steps::{Built, IndexInput, PlatformSource},
};

use crate::{
    error::within,
    registry::{RegistryClient, index, place_known},
};

/// Puts the index of the images of all platforms, by its digest. Images that are elsewhere are copied
/// first, as a registry wants the images of an index beside it. The same images make the same index, to
/// the byte; putting it twice is putting it once.
pub async fn index(registry: &RegistryClient, input: IndexInput) -> anyhow::Result<Built> {
    let own = registry.open(&input.repository, &input.registry).await?;
    let mut entries = Vec::new();
    for PlatformSource { repository, image } in &input.images {
        let from = registry.open(repository, &input.registry).await?;
        let placed = place_known(&from, &image.digest, &own, &[]).await;
        let manifest = placed.map_err(|error| within(&image.platform, error))?;
        entries.push(index::entry(&manifest, &image.platform)?);
    }
    let manifest = index::of(entries)?;
    own.put_manifest(&manifest.digest, &manifest).await?;
    let images: Vec<PlatformImage> = input.images.into_iter().map(|one| one.image).collect();
    Ok(index::built(manifest.digest, images))
}
