//! How the images of a package are pulled from where the package is.

use std::collections::BTreeMap;

use kilnworks_activities::package::read::{Image, Package};
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
/// asked for, else the first.
pub(super) fn references(package: &Package, platform: Option<&str>) -> Result<References, Error> {
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
        let reference = names::reference(package.repository.name(), &chosen.entry.digest);
        references.insert(names, reference);
    }
    Ok(References(references))
}

/// `os/architecture`, and its variant where it has one.
fn platform(image: &Image) -> String {
    let Some(platform) = &image.entry.platform else { return "unknown".to_owned() };
    let variant = platform.variant.as_ref().map(|variant| format!("/{variant}"));
    format!("{}/{}{}", platform.os, platform.architecture, variant.unwrap_or_default())
}
