//! Where a package and its images come from, attached to each of them.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{failure::FailureType, names, output::ContainerImage, record::Record};

use super::Making;
use crate::{
    error::is,
    package::provenance::{self, IN_TOTO, Statement},
    registry::Repository,
};

/// Images that are looked after side by side.
const SIDE_BY_SIDE: usize = 4;

/// Attaches provenance to a package and to every image in it, where a copy takes it along; a
/// component's images have it in their own repositories, too. What has some keeps it: it tells of
/// the build that made it.
pub(super) async fn attach(
    making: &Making<'_>,
    package: &Repository,
    record: &Record,
    digest: &str,
) -> anyhow::Result<()> {
    let statement = provenance::of_package(record, package.name(), digest);
    once(package, digest, &statement).await?;
    let images: Vec<_> =
        record.images.iter().map(|image| of_image(making, package, record, image)).collect();
    stream::iter(images).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

async fn of_image(
    making: &Making<'_>,
    package: &Repository,
    record: &Record,
    image: &ContainerImage,
) -> anyhow::Result<()> {
    for digest in digests(image) {
        // Who built an image that is used as it is must tell.
        let Some(statement) = provenance::of_image(record, image, digest) else { return Ok(()) };
        of_digest(making, package, record, image, (digest, &statement)).await?;
    }
    Ok(())
}

/// Its own, and those of its platforms: a client that pulls one of several looks there.
fn digests(image: &ContainerImage) -> impl Iterator<Item = &String> {
    std::iter::once(&image.digest).chain(image.platforms.iter().map(|one| &one.digest))
}

async fn of_digest(
    making: &Making<'_>,
    package: &Repository,
    record: &Record,
    image: &ContainerImage,
    (digest, statement): (&str, &Statement),
) -> anyhow::Result<()> {
    once(package, digest, statement).await?;
    if record.component.is_none() {
        return Ok(());
    }
    let registries = &making.input.registries;
    let registry = registries.get(&image.container).unwrap_or(&making.delivery.place.registry);
    let own = making.registry.open(&names::repository_of(&image.reference), registry).await?;
    once(&own, digest, statement).await
}

/// Attaches a statement where there is none, to what is there.
async fn once(repository: &Repository, digest: &str, statement: &Statement) -> anyhow::Result<()> {
    if !repository.referrers(digest, Some(IN_TOTO)).await?.is_empty() {
        return Ok(());
    }
    let Some(subject) = repository.manifest(digest).await? else { return Ok(()) };
    match provenance::attach(repository, &subject.descriptor(), statement).await {
        // The package is out: one whose registry takes no statements goes without.
        Err(error) if is(&error, FailureType::RegistryDenied) => {
            tracing::warn!(repository = repository.name(), "no provenance is attached: {error:#}");
            Ok(())
        }
        attached => attached.map(drop),
    }
}
