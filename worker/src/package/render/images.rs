//! References of the images of a package in the repository of the package.

use std::collections::BTreeMap;

use kilnworks_activities::{
    package::read::{Image, Package},
    registry::index::text,
};
use kilnworks_workflows::{names, output::ContainerImage};

use crate::output::Error;

/// References by component and container.
pub(super) struct References(BTreeMap<(String, String), String>);

impl References {
    /// The reference of an image. An image that is not in the package keeps its original reference.
    pub(super) fn of(&self, image: &ContainerImage) -> String {
        let names = (image.component.clone(), image.container.clone());
        self.0.get(&names).unwrap_or(&image.reference).clone()
    }
}

/// `<repository of the package>@<digest>` of each image. For a multi-platform image: the image of the
/// given platform, otherwise the index, which must exist.
pub(super) async fn references(
    package: &Package,
    platform: Option<&str>,
) -> Result<References, Error> {
    let mut found: BTreeMap<_, Vec<&Image>> = BTreeMap::new();
    for image in &package.images {
        let names = (image.component.clone(), image.container.clone());
        found.entry(names).or_default().push(image);
    }
    let mut references = BTreeMap::new();
    for (names, images) in found {
        let chosen =
            images.iter().find(|image| platform.is_none_or(|it| self::platform(image) == it));
        let Some(chosen) = chosen else {
            let there: Vec<_> = images.iter().map(|image| self::platform(image)).collect();
            let what = format!("the image {}/{} has no such platform", names.0, names.1);
            return Err(Error::input(what)
                .at(format!("--platform {}", platform.unwrap_or_default()))
                .hint(format!("platforms: {}", there.join(", "))));
        };
        let digest = match platform.is_none() && images.len() > 1 {
            true => index(package, &names.0, &names.1).await?,
            false => chosen.entry.digest.clone(),
        };
        references.insert(names, names::reference(package.repository.name(), &digest));
    }
    Ok(References(references))
}

/// The digest of the index of a multi-platform image. Other tools do not copy the index with a package,
/// and rendering must not push one.
async fn index(package: &Package, component: &str, container: &str) -> Result<String, Error> {
    let digest = package.digest_of(component, container)?.unwrap_or_default();
    if package.repository.digest_of(&digest).await?.is_some() {
        return Ok(digest);
    }
    let what = format!("the index of the multi-platform image {component}/{container}");
    let place = package.repository.reference(&digest);
    Err(Error::input(format!("{what} is not in the repository of the package")).at(place).hint(
        "copy the package with `kiln package export` and `import`, or select an image by `--platform`",
    ))
}

fn platform(image: &Image) -> String {
    image.entry.platform.as_ref().map_or_else(|| "unknown".to_owned(), text)
}
