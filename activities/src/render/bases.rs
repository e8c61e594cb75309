//! What is known of a base image, by the worker's own way to its registry.

use kilnworks_workflows::{failure::FailureType, plan::ContainerPlan};
use oci_client::Reference;

use super::pin::Found;
use crate::{
    error::failure_of,
    registry::{RegistryClient, Repository},
};

/// Flags by which Kaniko asks another registry than the one that an image names.
const DETOURS: [&str; 2] = ["--registry-mirror", "--registry-map"];

/// Looks up an image. It is hidden if the registry refuses the worker, because the Pod may have other
/// credentials. It is also hidden if a registry other than the build's own does not answer, because
/// Kaniko may have a mirror, a certificate or a network that the worker has not.
pub async fn look_up(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    image: String,
) -> anyhow::Result<Found> {
    let Ok(name) = image.parse::<Reference>() else { return Ok(Found::Hidden) };
    let asked = async {
        let repository = open(registry, plan, &name).await?;
        repository.digest_of(name.tag().unwrap_or("latest")).await
    };
    let is_own = plan.registry.host.as_deref() == Some(name.registry());
    match asked.await {
        Ok(Some(digest)) => Ok(Found::At(digest)),
        Ok(None) if has_detour(plan) => Ok(Found::Hidden),
        Ok(None) => Ok(Found::Nowhere),
        Err(error) => match failure_of(&error).map(|failure| failure.kind) {
            Some(FailureType::RegistryDenied) => Ok(Found::Hidden),
            Some(FailureType::RegistryUnavailable) if !is_own => Ok(Found::Hidden),
            _ => Err(error),
        },
    }
}

/// Opens the repository of an image by its full name. A name without a host is Docker Hub's, and the
/// Secret's credentials are selected by host.
pub(super) async fn open(
    registry: &RegistryClient,
    plan: &ContainerPlan,
    name: &Reference,
) -> anyhow::Result<Repository> {
    registry.open(&format!("{}/{}", name.registry(), name.repository()), &plan.registry).await
}

fn has_detour(plan: &ContainerPlan) -> bool {
    let flags = plan.work.as_build().map_or(&[][..], |build| build.flags.as_slice());
    flags.iter().any(|flag| DETOURS.iter().any(|detour| flag.starts_with(detour)))
}
