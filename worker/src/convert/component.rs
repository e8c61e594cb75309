//! Reads a document of a build file, which becomes a component if it has images or a chart.

use serde_json::Value;

use super::{
    build, container,
    fields::Fields,
    reading::Means,
    spec::{Component, Container},
};

/// Fields of `options` with containers.
const OF_IMAGES: [&str; 3] = ["containers", "initContainers", "job"];

/// Reads the document at `place`. A type that always has images must not have unknown fields. From other
/// types only the images and the chart are converted. None if there are neither.
pub(super) fn read(means: &mut Means<'_>, place: String, document: Value) -> Option<Component> {
    let mut fields = Fields::of(means.reading, &place, document);
    let kind = fields.needed(means.reading, "componentType").unwrap_or_default();
    let name = fields.needed(means.reading, "componentName").unwrap_or_default();
    let place = match name.as_str() {
        "" => place,
        name => format!("{place} ({name})"),
    };
    fields.path = place.clone();
    let mut options = fields.map(means.reading, "options");
    fields.finish(means.reading);
    let (source, chart) = chart(means, &kind, &mut options);
    let containers = containers(means, &mut options);
    let env_path = options.at("env");
    let env = env(means, &mut options);
    let is_known = matches!(kind.as_str(), "K8S_MICROSERVICE" | "K8S_JOB");
    if is_known {
        all_taken(means, options);
    } else if chart.is_some() {
        options.leave_out(means.reading, "the field configures the installation of the chart");
    } else if !containers.is_empty() {
        means.reading.note(&place, &format!("only the images of a {kind} are converted"));
        options.leave_out(means.reading, "it is not an image");
    }
    if containers.is_empty() && chart.is_none() {
        if !env.is_empty() {
            means.reading.left_out(&env_path, "its component is left out");
        }
        left_out(means, &place, &kind);
        return None;
    }
    let name = container::label(means.reading, &format!("{place}: componentName"), name);
    let is_job = kind == "K8S_JOB";
    Some(Component { path: place, name, is_job, containers, source, chart, env })
}

/// The source and directory of the chart of a HELM component, if the chart is in a repository.
fn chart(
    means: &mut Means<'_>,
    kind: &str,
    options: &mut Fields,
) -> (Option<Value>, Option<String>) {
    if kind != "HELM" || !options.has("repo") {
        return (None, None);
    }
    let branch = options.text(means.reading, "branch");
    let source = build::source(means, options, branch.as_deref());
    let path = options.text(means.reading, "repoPath").unwrap_or_default();
    let path = path.trim_start_matches("./").trim_matches('/');
    (source, Some(if path.is_empty() { "." } else { path }.to_owned()))
}

fn all_taken(means: &mut Means<'_>, mut options: Fields) {
    if options.take("kind").is_some() {
        let why = "the field configures how the containers run, not how their images are built";
        means.reading.left_out(&options.at("kind"), why);
    }
    options.finish(means.reading);
}

fn left_out(means: &mut Means<'_>, place: &str, kind: &str) {
    let why = match kind {
        "HELM" => "it has no `repo`, so its chart is not in a Git repository",
        "RESOURCE_ADDON" => "a resource of the platform has no image",
        _ => "it has no image: neither `containers`, nor `initContainers`, nor `job`",
    };
    means.reading.left_out(place, &format!("{kind}: {why}"));
}

/// The containers, in the order of the document.
fn containers(means: &mut Means<'_>, options: &mut Fields) -> Vec<Container> {
    let mut containers = Vec::new();
    for field in options.names().iter().filter(|name| OF_IMAGES.contains(&name.as_str())) {
        if field == "job" {
            let path = options.at("job");
            let job = options.take("job").filter(|job| !is_empty(job));
            containers
                .extend(job.map(|job| container::read(means, &path, job, false, Some("job"))));
            continue;
        }
        let init = field == "initContainers";
        for (path, value) in options.list(means.reading, field) {
            containers.push(container::read(means, &path, value, init, None));
        }
    }
    containers
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The names of the variables that the containers of the component get at run time.
fn env(means: &mut Means<'_>, options: &mut Fields) -> Vec<String> {
    let path = options.at("env");
    let mut names: Vec<String> = Vec::new();
    for given in options.texts(means.reading, "env") {
        // A value after the name may be a credential.
        let name = given.split('=').next().unwrap_or_default().trim().to_owned();
        if names.contains(&name) {
            means.reading.note(&path, &format!("`{name}` is listed twice"));
        } else if !name.is_empty() {
            names.push(name);
        }
    }
    names
}
