//! Images that are there already: kept under their content keys, or published in a package.

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use kilnworks_workflows::{
    failure::FailureType,
    names,
    output::{ContainerImage, PlatformImage},
    plan::Registry,
    record::Record,
    steps::{Built, FindImageInput, FoundImage, Published},
};
use oci_client::manifest::ImageIndexEntry;

use crate::{
    error::{fail, is},
    package::read,
    registry::{
        Manifest, RegistryClient, Repository,
        index::{self, entries, text},
        is_elsewhere,
    },
};

/// Blobs that are asked for side by side.
const BLOBS: usize = 8;

/// The image under a content key, where the registry has all of it.
pub async fn kept(
    registry: &RegistryClient,
    how: &Registry,
    repository: &str,
    key: &str,
) -> anyhow::Result<Option<FoundImage>> {
    let from = registry.open(repository, how).await?;
    let manifest = match from.manifest(key).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(None),
        // Some registries answer this for a repository that is not there yet.
        Err(error) if is(&error, FailureType::RegistryDenied) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !is_complete(&from, &manifest).await? {
        return Ok(None);
    }
    let built = built(&from, &manifest).await?;
    Ok(built.map(|built| FoundImage { repository: repository.to_owned(), built }))
}

/// The image in a published package.
///
/// # Errors
/// With `VersionExists` where the published image is made of other things, or is not there any more.
pub async fn published(
    registry: &RegistryClient,
    input: &FindImageInput,
    published: &Published,
) -> anyhow::Result<FoundImage> {
    let package = read::open(registry, &input.registry, &published.package).await?;
    let image = in_record(&package, input, published)?;
    let own = registry.open(&names::repository_of(&image.reference), &input.registry).await?;
    for from in [own, package.repository] {
        if let Some(manifest) = from.manifest(&image.digest).await?
            && is_complete(&from, &manifest).await?
        {
            let ContainerImage { digest, size, platform, platforms, .. } = image;
            let built = Built { digest, size, platform, platforms, ..Built::default() };
            return Ok(FoundImage { repository: from.name().to_owned(), built });
        }
    }
    Err(exists(published, "is not in the registry any more"))
}

/// What a published package's record says of the image, which is made of the same things.
fn in_record(
    package: &read::Package,
    input: &FindImageInput,
    published: &Published,
) -> anyhow::Result<ContainerImage> {
    let record: Record = package.record()?;
    let is_ours = |image: &ContainerImage| {
        image.component == published.component && image.container == published.container
    };
    let Some(image) = record.images.into_iter().find(is_ours) else {
        return Err(exists(published, "is not in it"));
    };
    let key = image.made.as_ref().and_then(|made| made.key.as_ref());
    if input.key.is_none() || key != input.key.as_ref() {
        return Err(exists(published, "is built of other things now"));
    }
    Ok(image)
}

fn exists(published: &Published, what: &str) -> anyhow::Error {
    let Published { package, version, component, container } = published;
    let message = format!(
        "version `{version}` is published as `{package}`, and `{component}/{container}` {what}"
    );
    fail(FailureType::VersionExists, message)
}

/// Whether a repository has everything that a manifest holds. An image that lacks a layer is built
/// again.
fn is_complete<'a>(
    from: &'a Repository,
    manifest: &'a Manifest,
) -> BoxFuture<'a, anyhow::Result<bool>> {
    async move {
        let parts = manifest.parts()?;
        for child in parts.manifests.iter().flatten() {
            let Some(child) = from.manifest(&child.digest).await? else { return Ok(false) };
            if !is_complete(from, &child).await? {
                return Ok(false);
            }
        }
        let blobs = parts.layers.iter().chain(&parts.config).filter(|blob| !is_elsewhere(blob));
        // A list, as a closure that lives on would tie this to one thread.
        let asked: Vec<_> = blobs.map(|blob| from.has_blob(&blob.digest)).collect();
        let there: Vec<bool> = stream::iter(asked).buffer_unordered(BLOBS).try_collect().await?;
        Ok(there.into_iter().all(|there| there))
    }
    .boxed()
}

/// Size and platform of an image; of an index, those of all its images.
async fn built(from: &Repository, manifest: &Manifest) -> anyhow::Result<Option<Built>> {
    let Some(entries) = entries(manifest)? else {
        return from.inspect(&manifest.digest).await;
    };
    let mut platforms = Vec::new();
    for ImageIndexEntry { digest, platform, .. } in entries {
        let Some(child) = from.inspect(&digest).await? else { return Ok(None) };
        let platform = platform.as_ref().map_or(child.platform, text);
        platforms.push(PlatformImage { platform, digest, size: child.size });
    }
    Ok(Some(index::built(manifest.digest.clone(), platforms)))
}
