//! Whether what a build stands on is there for every platform that it is for.
//!
//! Kaniko takes an image that is for another platform as it is, and says of what it makes that it is
//! for the one that it was told: so it is found out before anything is built.

use kilnworks_workflows::{
    failure::FailureType, output::Base, plan::ContainerPlan, platform::Platform as Wanted,
};
use oci_client::{Reference, manifest::Platform};

use crate::{
    error::{fail, failure_of},
    registry::{RegistryClient, Repository, index::text},
};

/// Checks every base image of a container that names platforms. One that the worker cannot look at
/// is left to Kaniko.
///
/// # Errors
/// With `BaseImageNotFound` where one is not there for a platform.
pub async fn check(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    bases: &[Base],
) -> anyhow::Result<()> {
    let platforms = plan.work.as_build().map_or(&[][..], |build| &build.platforms);
    for base in bases.iter().filter(|_| !platforms.is_empty()) {
        let there = match is_for(registry, plan, base).await {
            Ok(Some(there)) => there,
            Ok(None) => continue,
            Err(error) if is_hidden(&error) => continue,
            Err(error) => return Err(error),
        };
        let missing = platforms.iter().find(|wanted| !there.iter().any(|it| is(wanted, it)));
        if let Some(missing) = missing {
            let there = there.iter().map(text).collect::<Vec<_>>().join(", ");
            let image = &base.image;
            let message =
                format!("the base image `{image}` is not for {missing}; it is for {there}");
            return Err(fail(FailureType::BaseImageNotFound, message));
        }
    }
    Ok(())
}

fn is_hidden(error: &anyhow::Error) -> bool {
    use FailureType::{RegistryDenied, RegistryUnavailable};
    failure_of(error).is_some_and(|it| matches!(it.kind, RegistryDenied | RegistryUnavailable))
}

/// What an image is for; none where it cannot be found by its name.
async fn is_for(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    base: &Base,
) -> anyhow::Result<Option<Vec<Platform>>> {
    let Ok(name) = base.image.parse::<Reference>() else { return Ok(None) };
    let repository = format!("{}/{}", name.registry(), name.repository());
    let repository = registry.open(&repository, &plan.registry).await?;
    platforms(&repository, &base.digest).await
}

/// What the image under a digest is for; none where it is not there.
async fn platforms(repository: &Repository, digest: &str) -> anyhow::Result<Option<Vec<Platform>>> {
    let Some(manifest) = repository.manifest(digest).await? else { return Ok(None) };
    if manifest.parts()?.manifests.is_none() {
        return Ok(Some(vec![repository.platform(&manifest).await?]));
    }
    let index = manifest.index(&repository.reference(digest))?;
    Ok(Some(index.manifests.into_iter().filter_map(|entry| entry.platform).collect()))
}

/// Whether Kaniko takes an image for a platform: a variant counts where it is asked for.
fn is(wanted: &str, there: &Platform) -> bool {
    let Wanted { os, architecture, variant } = Wanted::of(wanted);
    there.os.to_string() == os
        && there.architecture.to_string() == architecture
        && variant.is_none_or(|it| there.variant.as_deref() == Some(it))
}

#[cfg(test)]
mod tests {
    use super::is;
    use crate::registry::index::platform_of;

    #[test]
    fn an_image_is_for_a_platform_as_kaniko_sees_it() {
        for (wanted, there, holds) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/amd64", "linux/arm64", false),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm/v7", "linux/arm/v7", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/arm/v7", "linux/arm", false),
            ("linux/amd64", "windows/amd64", false),
        ] {
            assert_eq!(is(wanted, &platform_of(there).unwrap()), holds, "{wanted} of {there}");
        }
    }
}
