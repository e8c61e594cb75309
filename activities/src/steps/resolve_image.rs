//! `resolve_image`: an image that a spec uses as it is.

use kilnworks_workflows::{
    failure::FailureType,
    steps::{Built, ResolveInput},
};

use crate::{error::fail, registry::RegistryClient};

/// Looks up an image.
///
/// # Errors
/// With `BaseImageNotFound` where there is no such image.
pub async fn resolve_image(
    registry: &RegistryClient,
    input: ResolveInput,
) -> anyhow::Result<Built> {
    let found = registry.inspect(&input.image, &input.registry).await?;
    found.ok_or_else(|| {
        let message = format!("there is no image `{}`", input.image);
        fail(FailureType::BaseImageNotFound, message)
    })
}
