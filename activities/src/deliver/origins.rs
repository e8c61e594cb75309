//! Where a package and its images come from, attached to each of them.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{names, output::ContainerImage, record::Record};

use super::Making;
use crate::{
    package::provenance::{self, IN_TOTO, Statement},
    registry::Repository,
};

/// Images that are looked after side by side.
const SIDE_BY_SIDE: usize = 4;

/// Attaches provenance to a package, and to a component's images in their own repositories. What
/// has some keeps it: it tells of the build that made it.
pub(super) async fn attach(
    making: &Making<'_>,
    package: &Repository,
    record: &Record,
    digest: &str,
) -> anyhow::Result<()> {
    let statement = provenance::of_package(record, package.name(), digest);
    once(package, digest, &statement).await?;
    if record.component.is_none() {
        return Ok(());
    }
    let images: Vec<_> =
        record.images.iter().map(|image| of_image(making, record, image)).collect();
    stream::iter(images).buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

async fn of_image(
    making: &Making<'_>,
    record: &Record,
    image: &ContainerImage,
) -> anyhow::Result<()> {
    // Who built an image that is used as it is must tell.
    let Some(statement) = provenance::of_image(record, image) else { return Ok(()) };
    let registries = &making.input.registries;
    let registry = registries.get(&image.container).unwrap_or(&making.delivery.place.registry);
    let repository = names::repository_of(&image.reference);
    let repository = making.registry.open(&repository, registry).await?;
    once(&repository, &image.digest, &statement).await
}

async fn once(repository: &Repository, digest: &str, statement: &Statement) -> anyhow::Result<()> {
    if !repository.referrers(digest, Some(IN_TOTO)).await?.is_empty() {
        return Ok(());
    }
    let Some(subject) = repository.manifest(digest).await? else { return Ok(()) };
    provenance::attach(repository, &subject.descriptor(), statement).await.map(drop)
}
