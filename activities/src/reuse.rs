//! Images that are there already: built before of the same things, or published under the version
//! that is asked for. They get the build's own name and tags without a Pod.

pub mod platforms;

use kilnworks_workflows::{
    failure::FailureType,
    names,
    output::ContainerImage,
    plan::ContainerPlan,
    record::Record,
    steps::{Built, Rendered, Reuse},
};

use crate::{
    error::{fail, is},
    package::read,
    registry::{RegistryClient, Repository, place},
};

/// Finds the image of a container, and puts it under its own name and tags.
///
/// Where its version is published, nothing but the published image will do.
///
/// # Errors
/// With `VersionExists` where the published image is of other things, or that cannot be told.
pub async fn find(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    rendered: &Rendered,
    published: Option<&str>,
) -> anyhow::Result<Option<Built>> {
    let Some(build) = plan.work.as_build() else { return Ok(None) };
    let found = match published {
        Some(package) => Some(publication(registry, plan, rendered, package).await?),
        None => match build.reuse.clone().zip(rendered.key.clone()) {
            Some((repository, key)) => kept(registry, plan, &Reuse { repository, key }).await?,
            None => None,
        },
    };
    let Some(Found { repositories, digest }) = found else { return Ok(None) };
    let own = registry.open(&build.repository, &plan.registry).await?;
    for from in repositories {
        if place(&from, &digest, &own, &rendered.tags).await?.is_some() {
            return registry.inspect(&own.reference(&digest), &plan.registry).await;
        }
    }
    match published {
        // Some of it was removed since: it is built again.
        None => Ok(None),
        Some(package) => Err(exists(plan, package, "is not in the registry any more")),
    }
}

/// An image, and the repositories that may have it.
struct Found {
    repositories: Vec<Repository>,
    digest: String,
}

/// The image under its content key.
async fn kept(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    Reuse { repository, key }: &Reuse,
) -> anyhow::Result<Option<Found>> {
    let kept = registry.open(repository, &plan.registry).await?;
    match kept.digest_of(&names::reuse_tag(key)).await {
        Ok(digest) => Ok(digest.map(|digest| Found { repositories: vec![kept], digest })),
        // So do some registries answer for a repository that is not there yet.
        Err(error) if is(&error, FailureType::RegistryDenied) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The image in a published package.
async fn publication(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    rendered: &Rendered,
    package: &str,
) -> anyhow::Result<Found> {
    let package_read = read::open(registry, &plan.registry, package).await?;
    let image = published_image(&package_read, plan, rendered, package)?;
    let own = registry.open(&names::repository_of(&image.reference), &plan.registry).await?;
    let repositories = vec![own, package_read.repository];
    Ok(Found { repositories, digest: image.digest })
}

/// What a published package's record says of the image, which is of the same things.
fn published_image(
    read: &read::Package,
    plan: &ContainerPlan,
    rendered: &Rendered,
    package: &str,
) -> anyhow::Result<ContainerImage> {
    let record: Record = read.record()?;
    let is_ours = |image: &ContainerImage| {
        image.component == plan.component && image.container == plan.container
    };
    let Some(image) = record.images.into_iter().find(is_ours) else {
        return Err(exists(plan, package, "is not in it"));
    };
    let its_key = image.made.as_ref().and_then(|made| made.key.as_ref());
    if rendered.key.is_none() || its_key != rendered.key.as_ref() {
        return Err(exists(plan, package, "is built of other things now"));
    }
    Ok(image)
}

fn exists(plan: &ContainerPlan, package: &str, what: &str) -> anyhow::Error {
    let version = plan.version.as_deref().unwrap_or_default();
    let message = format!(
        "version `{version}` is published as `{package}`, and `{}/{}` {what}",
        plan.component, plan.container
    );
    fail(FailureType::VersionExists, message)
}
