//! Reads a container of a build file: an image to build, or an existing image.

use serde_json::Value;

use super::{
    build,
    fields::Fields,
    reading::{Means, Reading},
    spec::Container,
};

/// Fields that configure how a container runs, not how its image is built.
const OF_RUNNING: [&str; 11] = [
    "args",
    "command",
    "env",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "volumeMounts",
];

/// Reads a container. `unnamed` is the default name.
pub(super) fn read(
    means: &mut Means<'_>,
    path: &str,
    value: Value,
    init: bool,
    unnamed: Option<&str>,
) -> Container {
    let mut fields = Fields::of(means.reading, path, value);
    let mut made = Container { path: path.to_owned(), ..Container::default() };
    let name = name(means.reading, &mut fields, unnamed);
    made.put("name", Some(name));
    made.put("init", init.then_some(true));
    for name in OF_RUNNING {
        if fields.take(name).is_some() {
            let why = "the field configures how the container runs, not how its image is built";
            means.reading.left_out(&fields.at(name), why);
        }
    }
    let plain = fields.text(means.reading, "image");
    let build = fields.map(means.reading, "build");
    match plain {
        Some(image) if build.names().is_empty() => use_image(means.reading, &mut made, &image),
        None if build.names().is_empty() => {
            means.reading.fault(&build.path, "missing; this field is required");
        }
        image => {
            if image.is_some() {
                means.reading.left_out(&fields.at("image"), "the image is built");
            }
            image_of(means, build, &mut made);
        }
    }
    fields.finish(means.reading);
    made
}

fn name(reading: &mut Reading, fields: &mut Fields, unnamed: Option<&str>) -> String {
    let Some(unnamed) = unnamed else {
        let name = fields.needed(reading, "name").unwrap_or_default();
        return label(reading, &fields.at("name"), name);
    };
    match fields.text(reading, "name") {
        Some(name) => label(reading, &fields.at("name"), name),
        None => {
            reading.note(&fields.at("name"), &format!("missing; the name is `{unnamed}`"));
            unnamed.to_owned()
        }
    }
}

/// A name as a DNS label, which the spec requires.
pub(super) fn label(reading: &mut Reading, path: &str, name: String) -> String {
    let label = name.to_lowercase().replace(['_', '.'], "-");
    if label != name {
        let what = format!("`{name}` becomes `{label}`, because names are DNS labels");
        reading.note(path, &what);
    }
    label
}

/// Builds an image, or uses an existing one. SREWorks used `useExistImage` only without a push.
/// Kilnworks pushes every image that it builds.
fn image_of(means: &mut Means<'_>, mut build: Fields, made: &mut Container) {
    let pushes = build.flag(means.reading, "imagePush");
    match (build.text(means.reading, "useExistImage"), pushes) {
        (Some(image), None | Some(false)) => {
            use_image(means.reading, made, &image);
            build.leave_out(means.reading, "the image is used unchanged");
        }
        (image, pushes) => {
            if image.is_some() {
                let why = "`imagePush` is true, so the image is built";
                means.reading.left_out(&build.at("useExistImage"), why);
            }
            if pushes == Some(false) {
                let what = "false; Kilnworks pushes every image that it builds";
                means.reading.note(&build.at("imagePush"), what);
            }
            build::built(means, &mut build, made);
            build.finish(means.reading);
        }
    }
}

fn use_image(reading: &mut Reading, made: &mut Container, image: &str) {
    let full = full_reference(image);
    if full != image {
        reading.note(&made.path, &format!("the image `{image}` becomes `{full}`"));
    }
    made.put("image", Some(full));
}

/// The full reference of an image: with registry and tag, as every client completes it.
fn full_reference(image: &str) -> String {
    let (host, path) = image.split_once('/').unwrap_or(("", image));
    let has_host = host == "localhost" || host.contains(['.', ':']);
    let name = match (has_host, host) {
        (true, _) => image.to_owned(),
        (false, "") => format!("docker.io/library/{path}"),
        (false, _) => format!("docker.io/{image}"),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { name } else { format!("{name}:latest") }
}
