//! Checks that base images exist for every platform of a build.
//!
//! Kaniko builds on an image of another platform without an error, and labels the result with the
//! wanted platform. So the worker checks before the build.

use kilnworks_workflows::{
    failure::FailureType::{BaseImageNotFound, RegistryDenied, RegistryUnavailable},
    output::Base,
    plan::ContainerPlan,
    platform::Platform as Wanted,
};
use oci_client::{Reference, manifest::Platform};

use super::bases;
use crate::{
    error::{fail, is},
    registry::{RegistryClient, index::text},
};

/// Checks every base image of a container that names platforms. Skips images that the worker cannot
/// read.
///
/// # Errors
/// `BaseImageNotFound` if an image does not exist for a platform.
pub async fn check(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    bases: &[Base],
) -> anyhow::Result<()> {
    let wanted = plan.work.as_build().map_or(&[][..], |build| &build.platforms);
    for base in bases.iter().filter(|_| !wanted.is_empty()) {
        let there = match platforms(registry, plan, base).await {
            Ok(Some(there)) => there,
            Ok(None) => continue,
            Err(error) if is(&error, RegistryDenied) || is(&error, RegistryUnavailable) => continue,
            Err(error) => return Err(error),
        };
        let missing = wanted.iter().find(|wanted| !there.iter().any(|it| is_for(it, wanted)));
        if let Some(missing) = missing {
            let there = there.iter().map(text).collect::<Vec<_>>().join(", ");
            let image = &base.image;
            let message =
                format!("the base image `{image}` is not for {missing}; it is for {there}");
            return Err(fail(BaseImageNotFound, message));
        }
    }
    Ok(())
}

/// The platforms of an image; none if the registry has no such image.
async fn platforms(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    base: &Base,
) -> anyhow::Result<Option<Vec<Platform>>> {
    let Ok(name) = base.image.parse::<Reference>() else { return Ok(None) };
    let repository = bases::open(registry, plan, &name).await?;
    let Some(manifest) = repository.manifest(&base.digest).await? else { return Ok(None) };
    if manifest.parts()?.manifests.is_none() {
        return Ok(Some(vec![repository.platform(&manifest).await?]));
    }
    let index = manifest.index(&repository.reference(&base.digest))?;
    Ok(Some(index.manifests.into_iter().filter_map(|entry| entry.platform).collect()))
}

/// Whether Kaniko takes an image for a platform: a variant counts only if the platform has one.
fn is_for(there: &Platform, wanted: &str) -> bool {
    let Wanted { os, architecture, variant } = Wanted::of(wanted);
    there.os.to_string() == os
        && there.architecture.to_string() == architecture
        && variant.is_none_or(|it| there.variant.as_deref() == Some(it))
}

#[cfg(test)]
mod tests {
    use super::is_for;
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
            assert_eq!(is_for(&platform_of(there).unwrap(), wanted), holds, "{wanted} of {there}");
        }
    }
}
