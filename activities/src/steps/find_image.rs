//! `find_image`: the image of a build, where it was made before. It writes nothing.

use kilnworks_workflows::steps::{FindImageInput, FoundImages};

use crate::{
    image::{kept, published},
    registry::RegistryClient,
};

/// Looks for an image by its content key; of several platforms for their index, then for the image of
/// each. Where the build's version is published, only the published image will do.
///
/// # Errors
/// With `VersionExists` where the published image is made of other things.
pub async fn find_image(
    registry: &RegistryClient,
    input: &FindImageInput,
) -> anyhow::Result<FoundImages> {
    if let Some(package) = &input.published {
        let image = published(registry, input, package).await?;
        return Ok(FoundImages { image: Some(image), platforms: Vec::new() });
    }
    let Some(repository) = &input.kept else { return Ok(FoundImages::default()) };
    let find = async |key: &Option<String>| match key {
        Some(key) => kept(registry, &input.registry, repository, key).await,
        None => Ok(None),
    };
    let image = find(&input.key).await?;
    let mut platforms = Vec::new();
    if image.is_none() {
        for one in &input.platforms {
            platforms.push(find(&one.key).await?);
        }
    }
    Ok(FoundImages { image, platforms })
}
