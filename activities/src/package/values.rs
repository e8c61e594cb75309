//! The values for templates of a package's files. They depend on the record only, so a file can be
//! rendered again later, with other references.

use std::collections::BTreeMap;

use kilnworks_workflows::{output::ContainerImage, record::Record};
use minijinja::Value;

use crate::template::with_underscores;

/// The values for a file's template. `component` is the file's component. A file of the app itself has
/// none, and sees the images of every component. `commit` is that of the files' source. `reference`
/// returns how an image is pulled, as `name@sha256:…`: see [`as_built`].
pub fn values(
    record: &Record,
    component: Option<&str>,
    commit: Option<&str>,
    reference: &dyn Fn(&ContainerImage) -> String,
) -> Value {
    let given = [
        ("app", Some(record.app.as_str())),
        ("component", component),
        ("version", record.version.as_deref()),
        ("commit", commit),
    ];
    let named = given.into_iter().filter_map(|(name, value)| Some((name, value?.into())));
    let images = match component {
        Some(component) => of_component(record, component, reference),
        None => {
            let names = images_of(record).map(|one| one.component.as_str());
            let one = |name: &str| (name.to_owned(), of_component(record, name, reference));
            with_underscores(names.map(one).collect())
        }
    };
    named.chain([("images", images)]).collect::<BTreeMap<_, Value>>().into()
}

/// The reference from the build.
pub fn as_built(image: &ContainerImage) -> String {
    image.reference.clone()
}

/// The images of a record, without containers that yield files.
fn images_of(record: &Record) -> impl Iterator<Item = &ContainerImage> {
    record.images.iter().filter(|one| !one.files)
}

fn of_component(
    record: &Record,
    component: &str,
    reference: &dyn Fn(&ContainerImage) -> String,
) -> Value {
    let images = images_of(record).filter(|one| one.component == component);
    let one =
        |image: &ContainerImage| (image.container.clone(), of_image(image, &reference(image)));
    with_underscores(images.map(one).collect())
}

/// `reference`, `repository`, `digest`, and `tag` if the image has one.
fn of_image(image: &ContainerImage, reference: &str) -> Value {
    let (repository, digest) = reference.split_once('@').unwrap_or((reference, &image.digest));
    let mut values = BTreeMap::from([
        ("reference", Value::from(reference)),
        ("repository", Value::from(repository)),
        ("digest", Value::from(digest)),
    ]);
    if let Some(tag) = image.tags.first() {
        values.insert("tag", Value::from(tag.as_str()));
    }
    values.into()
}
