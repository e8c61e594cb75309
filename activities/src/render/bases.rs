//! What is known of a base image, by the worker's own way to its registry.

use kilnworks_workflows::{failure::FailureType, plan::ContainerPlan};
use oci_client::Reference;

use super::pin::Found;
use crate::{error::failure_of, registry::RegistryClient};

/// Flags by which Kaniko asks another registry than the one that an image names.
const DETOURS: [&str; 2] = ["--registry-mirror", "--registry-map"];

/// Looks up an image. A registry that refuses the worker may know the Pod, whose credentials are
/// for any host. One that the worker does not reach may have a mirror that only Kaniko is told of,
/// or a certificate, or a network: that of another host than the images' own is never waited for
/// here.
pub async fn look_up(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    image: String,
) -> anyhow::Result<Found> {
    // By its full name: without a host it is Docker Hub's, and the Secret is asked by host.
    let Ok(name) = image.parse::<Reference>() else { return Ok(Found::Hidden) };
    let repository = format!("{}/{}", name.registry(), name.repository());
    let asked = async {
        let repository = registry.open(&repository, &plan.registry).await?;
        repository.digest_of(name.tag().unwrap_or("latest")).await
    };
    match asked.await {
        Ok(Some(digest)) => Ok(Found::At(digest)),
        Ok(None) if has_detour(plan) => Ok(Found::Hidden),
        Ok(None) => Ok(Found::Nowhere),
        Err(error) => match failure_of(&error).map(|failure| failure.kind) {
            Some(FailureType::RegistryDenied) => Ok(Found::Hidden),
            Some(FailureType::RegistryUnavailable) if !is_own(plan, &name) => Ok(Found::Hidden),
            _ => Err(error),
        },
    }
}

/// Whether an image is where those of the build go.
fn is_own(plan: &ContainerPlan, name: &Reference) -> bool {
    plan.registry.host.as_deref() == Some(name.registry())
}

fn has_detour(plan: &ContainerPlan) -> bool {
    let flags = plan.work.as_build().map_or(&[][..], |build| build.flags.as_slice());
    flags.iter().any(|flag| DETOURS.iter().any(|detour| flag.starts_with(detour)))
}
