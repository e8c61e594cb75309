//! `resolve_image`: an image that a spec uses as it is.

use kilnworks_workflows::{failure::FailureType, plan::Registry, steps::Built};

use crate::{error::fail, registry::RegistryClient};

/// Looks up an image.
///
/// # Errors
/// With `BaseImageNotFound` where there is no such image.
pub async fn resolve_image(
    client: &RegistryClient,
    image: &str,
    registry: &Registry,
) -> anyhow::Result<Built> {
    let found = client.inspect(image, registry).await?;
    found.ok_or_else(|| {
        let message = format!("there is no image `{}`", image);
        fail(FailureType::BaseImageNotFound, message)
    })
}
