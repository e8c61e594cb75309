//! A document of a build file: a component, as far as it has images or a chart.

use serde_json::{Value, json};

use super::{
    build,
    container::{self, Container, Means},
    documents::Document,
    fields::Fields,
};

/// What a document comes to, in the order of the file.
#[derive(Debug)]
pub(super) enum Part {
    /// A component with its images, or its chart.
    Component(Component),
    /// Why it is none.
    LeftOut(String),
}

/// A component as the spec will have it.
#[derive(Debug)]
pub(super) struct Component {
    /// Where it was.
    pub(super) path: String,
    pub(super) name: String,
    /// Whether it was a job.
    pub(super) is_job: bool,
    /// What is to be said of it.
    pub(super) comments: Vec<String>,
    pub(super) containers: Vec<Container>,
    /// The source of its chart.
    pub(super) source: Option<Value>,
    /// Directory of its chart.
    pub(super) chart: Option<String>,
    /// Names of the variables that it wants where it runs: a file of its package.
    pub(super) env: Vec<String>,
}

impl Component {
    /// The fields before its containers, in the order of the spec's.
    pub(super) fn head(&self) -> Value {
        let mut head = json!({"name": self.name});
        if let Some(source) = &self.source {
            head["source"] = source.clone();
        }
        if let Some(chart) = &self.chart {
            head["chart"] = json!(chart);
        }
        head
    }

    /// The files of its package: a list of names, as whoever installs it reads it.
    pub(super) fn files(&self) -> Option<Value> {
        // JSON is YAML too.
        let content = serde_saphyr::to_string(&self.env);
        let content = content.unwrap_or_else(|_| json!(self.env).to_string());
        (!self.env.is_empty())
            .then(|| json!([{"name": "env.yaml", "content": content, "template": false}]))
    }
}

/// Fields of `options` that hold containers.
const OF_IMAGES: [&str; 3] = ["containers", "initContainers", "job"];

/// Reads a document. One whose type has images by nature may hold nothing that is not known; of
/// the others only the images and the chart are looked at.
pub(super) fn read(means: &mut Means<'_>, document: Document) -> Part {
    let mut fields = Fields::of(means.reading, &document.place, document.content);
    let kind = fields.needed(means.reading, "componentType").unwrap_or_default();
    let name = fields.needed(means.reading, "componentName").unwrap_or_default();
    let place = match name.as_str() {
        "" => document.place,
        name => format!("{} ({name})", document.place),
    };
    fields.path = place.clone();
    let mut options = fields.map(means.reading, "options");
    fields.finish(means.reading);
    let mut comments = document.comments;
    comments.retain(|comment| !means.credentials.are_in(comment));
    let (source, chart) = chart(means, &kind, &mut options, &mut comments);
    let containers = containers(means, &mut options);
    let env_path = options.at("env");
    let env = env(means, &mut options);
    let is_known = matches!(kind.as_str(), "K8S_MICROSERVICE" | "K8S_JOB");
    if is_known {
        all_taken(means, options);
    } else if chart.is_some() {
        chart_only(means, options);
    } else if !containers.is_empty() {
        comments.push(images_only(means, &place, &kind, options));
    }
    if containers.is_empty() && chart.is_none() {
        if !env.is_empty() {
            means.reading.left_out(&env_path, "its component is left out");
        }
        return left_out(means, &place, &kind, &name);
    }
    let name = container::label(means.reading, &format!("{place}: componentName"), name);
    let is_job = kind == "K8S_JOB";
    Part::Component(Component {
        path: place,
        name,
        is_job,
        comments,
        containers,
        source,
        chart,
        env,
    })
}

/// The chart of a HELM component that has one in a repository, with its source.
fn chart(
    means: &mut Means<'_>,
    kind: &str,
    options: &mut Fields,
    comments: &mut Vec<String>,
) -> (Option<Value>, Option<String>) {
    if kind != "HELM" || !options.has("repo") {
        return (None, None);
    }
    let branch = options.text(means.reading, "branch");
    let source = build::source(means, options, branch.as_deref(), comments);
    let path = options.text(means.reading, "repoPath").unwrap_or_default();
    let path = path.trim_start_matches("./").trim_matches('/');
    (source, Some(if path.is_empty() { "." } else { path }.to_owned()))
}

fn chart_only(means: &mut Means<'_>, options: Fields) {
    for name in options.names() {
        means.reading.left_out(&options.at(&name), "it says how the chart is installed");
    }
}

fn all_taken(means: &mut Means<'_>, mut options: Fields) {
    if options.take("kind").is_some() {
        let why = "it says what runs the containers, not how their images are built";
        means.reading.left_out(&options.at("kind"), why);
    }
    options.finish(means.reading);
}

fn images_only(means: &mut Means<'_>, place: &str, kind: &str, options: Fields) -> String {
    means.reading.note(place, &format!("of a {kind}, only the images are converted"));
    for name in options.names() {
        means.reading.left_out(&options.at(&name), "it is no image");
    }
    format!("was a {kind}; only its images are here")
}

fn left_out(means: &mut Means<'_>, place: &str, kind: &str, name: &str) -> Part {
    let why = match kind {
        "HELM" => "it has no `repo`: a chart of another place stays where it is",
        "RESOURCE_ADDON" => "a resource of the platform is no image",
        _ => "it has no image: neither `containers`, nor `initContainers`, nor `job`",
    };
    means.reading.left_out(place, &format!("{kind}: {why}"));
    Part::LeftOut(format!("left out: {name}, {kind}: {why}"))
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

/// The names of the variables that the component's containers get where they run.
fn env(means: &mut Means<'_>, options: &mut Fields) -> Vec<String> {
    let path = options.at("env");
    let mut names: Vec<String> = Vec::new();
    for given in options.texts(means.reading, "env") {
        // A value behind the name may be a credential.
        let name = given.split('=').next().unwrap_or_default().trim().to_owned();
        if names.contains(&name) {
            means.reading.note(&path, &format!("`{name}` is there twice; it is kept once"));
        } else if !name.is_empty() {
            names.push(name);
        }
    }
    names
}
