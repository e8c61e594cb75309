//! Attaches provenance to a package and to its images.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{failure::FailureType, output::ContainerImage, record::Record};

use super::Making;
use crate::{
    error::is,
    package::provenance::{self, IN_TOTO, Statement},
    registry::Repository,
};

/// How many images are attached to at the same time.
const SIDE_BY_SIDE: usize = 4;

/// Attaches provenance to a package and to every image in it, so that copies of the package include
/// it. A component's images also get it in their own repositories. Existing provenance stays, because
/// it describes the build that made the image.
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
    // A client that pulls one platform looks for the provenance of that platform's digest.
    let platforms = image.platforms.iter().map(|one| &one.digest);
    for digest in std::iter::once(&image.digest).chain(platforms) {
        // The builder of an image that is used as it is must provide its provenance.
        let Some(statement) = provenance::of_image(record, image, digest) else { return Ok(()) };
        once(package, digest, &statement).await?;
        if record.component.is_some() {
            once(&making.repository_of(image).await?, digest, &statement).await?;
        }
    }
    Ok(())
}

/// Attaches a statement to an existing manifest, unless the manifest has one.
async fn once(repository: &Repository, digest: &str, statement: &Statement) -> anyhow::Result<()> {
    if !repository.referrers(digest, Some(IN_TOTO)).await?.is_empty() {
        return Ok(());
    }
    let Some(subject) = repository.manifest(digest).await? else { return Ok(()) };
    match provenance::attach(repository, &subject.descriptor(), statement).await {
        // The package is published already. If its registry refuses statements, it has none.
        Err(error) if is(&error, FailureType::RegistryDenied) => {
            tracing::warn!(repository = repository.name(), "no provenance is attached: {error:#}");
            Ok(())
        }
        attached => attached.map(drop),
    }
}
