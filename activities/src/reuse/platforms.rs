//! Images of several platforms that are there already: of all of them, or of some.

use kilnworks_workflows::{
    names,
    output::{ContainerImage, PlatformImage},
    plan::{BuildPlan, ContainerPlan},
    steps::{Built, Rendered, RenderedPlatform, Reuse},
};

use super::{exists, kept, published_image};
use crate::{
    index,
    package::read,
    registry::{RegistryClient, Repository, place},
};

/// Finds the image of each platform by its key and puts it into the build's own repository, with
/// their index under the build's tags where none is missing. What is missing is built.
///
/// Where the version is published, nothing but the published images will do.
///
/// # Errors
/// As [`super::find`].
pub async fn find(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    rendered: Rendered,
    published: Option<&str>,
) -> anyhow::Result<Rendered> {
    let Some(build) = plan.work.as_build() else { return Ok(rendered) };
    let own = registry.open(&build.repository, &plan.registry).await?;
    if let Some(package) = published {
        let image = publication(registry, plan, &rendered, package, &own).await?;
        let reused = Some(index::put(&own, &image.platforms, &rendered.tags).await?);
        return Ok(Rendered { reused, ..rendered });
    }
    let mut rendered = rendered;
    for one in &mut rendered.platforms {
        one.reused = image(registry, plan, build, one, &own).await?;
    }
    let found: Vec<_> = rendered.platforms.iter().filter_map(of).collect();
    if found.len() == rendered.platforms.len() {
        rendered.reused = Some(index::put(&own, &found, &rendered.tags).await?);
    }
    Ok(rendered)
}

fn of(one: &RenderedPlatform) -> Option<PlatformImage> {
    let Built { digest, size, .. } = one.reused.clone()?;
    Some(PlatformImage { platform: one.platform.clone(), digest, size })
}

/// The image of one platform, put into the build's own repository.
async fn image(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    build: &BuildPlan,
    one: &RenderedPlatform,
    own: &Repository,
) -> anyhow::Result<Option<Built>> {
    let reuse = build.reuse.clone().zip(one.key.clone());
    let Some((repository, key)) = reuse else { return Ok(None) };
    let found = kept(registry, plan, &Reuse { repository, key }).await?;
    let Some(super::Found { repositories, digest }) = found else { return Ok(None) };
    match put(&repositories, &digest, own).await? {
        true => registry.inspect(&own.reference(&digest), &plan.registry).await,
        false => Ok(None),
    }
}

/// Puts an image into the build's own repository, and says whether any of these had it.
async fn put(from: &[Repository], digest: &str, own: &Repository) -> anyhow::Result<bool> {
    for from in from {
        if place(from, digest, own, &[names::child_tag(digest)]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The image in a published package, each platform's put into the build's own repository.
async fn publication(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    rendered: &Rendered,
    package: &str,
    own: &Repository,
) -> anyhow::Result<ContainerImage> {
    let read = read::open(registry, &plan.registry, package).await?;
    let image = published_image(&read, plan, rendered, package)?;
    let first = registry.open(&names::repository_of(&image.reference), &plan.registry).await?;
    let from = [first, read.repository];
    for one in &image.platforms {
        if !put(&from, &one.digest, own).await? {
            return Err(exists(plan, package, "is not in the registry any more"));
        }
    }
    Ok(image)
}
