//! How the images of a package are pulled from where the package is.

use std::collections::BTreeMap;

use kilnworks_activities::{
    index::text,
    package::read::{Image, Package},
};
use kilnworks_workflows::{names, output::ContainerImage};

use crate::end::Error;

/// References by component and container.
pub(super) struct References(BTreeMap<(String, String), String>);

impl References {
    /// Of an image of the record. One that the package does not have is left as it was built.
    pub(super) fn of(&self, image: &ContainerImage) -> String {
        let names = (image.component.clone(), image.container.clone());
        self.0.get(&names).unwrap_or(&image.reference).clone()
    }
}

/// `<the package's own repository>@<digest>` of each image: of several platforms the one that is
/// asked for, else their index, which must be there.
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
            let what = format!("the image {}/{} is not there for that platform", names.0, names.1);
            return Err(Error::input(what)
                .at(format!("--platform {}", platform.unwrap_or_default()))
                .hint(format!("it is there for {}", there.join(", "))));
        };
        let digest = match platform.is_none() && images.len() > 1 {
            true => index(package, &names.0, &names.1).await?,
            false => chosen.entry.digest.clone(),
        };
        references.insert(names, names::reference(package.repository.name(), &digest));
    }
    Ok(References(references))
}

/// The index of a container's images. A tool that copied the package did not take it along: it can
/// be made of them, but not by who only reads.
async fn index(package: &Package, component: &str, container: &str) -> Result<String, Error> {
    let digest = package.digest_of(component, container)?.unwrap_or_default();
    if package.repository.digest_of(&digest).await?.is_some() {
        return Ok(digest);
    }
    let what = format!("the index of {component}/{container}, which is for several platforms");
    let place = package.repository.reference(&digest);
    Err(Error::input(format!("{what}, is not beside the package")).at(place).hint(
        "`kiln package export` and `import` bring it along; `--platform` names one image of it",
    ))
}

fn platform(image: &Image) -> String {
    image.entry.platform.as_ref().map_or_else(|| "unknown".to_owned(), text)
}
