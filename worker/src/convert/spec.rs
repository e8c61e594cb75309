//! The converted spec, with shared values as defaults.

use std::collections::BTreeSet;

use kilnworks_workflows::spec::API_VERSION;
use serde_json::{Map, Value, json};

use super::reading::Reading;

/// A component of the spec: its images, its chart, or both.
#[derive(Debug)]
pub(super) struct Component {
    /// Path in the build file.
    pub(super) path: String,
    pub(super) name: String,
    /// Whether the build file has it as a job.
    pub(super) is_job: bool,
    pub(super) containers: Vec<Container>,
    /// The source of its chart.
    pub(super) source: Option<Value>,
    /// Directory of its chart.
    pub(super) chart: Option<String>,
    /// Names of the variables that it needs at run time. They become a file of its package.
    pub(super) env: Vec<String>,
}

/// A container of the spec.
#[derive(Debug, Default)]
pub(super) struct Container {
    /// Path in the build file.
    pub(super) path: String,
    /// Its fields, in the order of the spec.
    pub(super) fields: Map<String, Value>,
}

impl Container {
    /// Sets a field, if there is a value.
    pub(super) fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.fields.insert(name.to_owned(), value.into());
        }
    }
}

impl Component {
    /// The fields of the spec.
    fn document(&self) -> Value {
        let mut document = json!({"name": self.name});
        if let Some(source) = &self.source {
            document["source"] = source.clone();
        }
        if let Some(chart) = &self.chart {
            document["chart"] = json!(chart);
        }
        if !self.containers.is_empty() {
            document["containers"] = self.containers.iter().map(|one| json!(one.fields)).collect();
        }
        if !self.env.is_empty() {
            let content = serde_saphyr::to_string(&self.env);
            // JSON is valid YAML.
            let content = content.unwrap_or_else(|_| json!(self.env).to_string());
            document["files"] =
                json!([{"name": "env.yaml", "content": content, "template": false}]);
        }
        document
    }
}

/// Moves shared values to the defaults, and returns the defaults. For a source and a registry the most
/// frequent value counts. A Secret must be the same for all, because a container without one must not
/// get one.
fn share(components: &mut [Component]) -> Map<String, Value> {
    let mut defaults = Map::new();
    for (field, by_all) in [("registry", false), ("source", false), ("pushSecret", true)] {
        let Some(value) = most_frequent(components, field, by_all) else {
            continue;
        };
        for component in components.iter_mut() {
            leave_to_defaults(component, field, &value);
        }
        defaults.insert(field.to_owned(), value);
    }
    defaults
}

/// Removes a value that is in the defaults. If the component has its own source, its containers keep
/// theirs, because they would inherit the source of the component.
fn leave_to_defaults(component: &mut Component, field: &str, value: &Value) {
    if field == "source" {
        component.source.take_if(|source| source == value);
        if component.source.is_some() {
            return;
        }
    }
    for container in &mut component.containers {
        if container.fields.get(field) == Some(value) {
            container.fields.shift_remove(field);
        }
    }
}

/// Reports what is part of packages. A package needs a registry, so without a registry the charts and
/// files are left out.
pub(super) fn packages(components: &mut Vec<Component>, reading: &mut Reading) {
    let mut containers = components.iter().flat_map(|one| &one.containers);
    if containers.any(|container| container.fields.contains_key("registry")) {
        for component in components.iter().filter(|one| !one.env.is_empty()) {
            let what = "the names are in the file `env.yaml` of the component's package";
            reading.note(&format!("{}: options.env", component.path), what);
        }
        return;
    }
    let why = "no image of the file has a registry for the package";
    for component in components.iter_mut() {
        if !std::mem::take(&mut component.env).is_empty() {
            reading.left_out(&format!("{}: options.env", component.path), why);
        }
        component.source = None;
        if component.chart.take().is_some() {
            reading.left_out(&component.path, &format!("its chart: {why}"));
        }
    }
    components.retain(|component| !component.containers.is_empty());
}

/// Whether an image is pushed without a Secret. SREWorks then used a Secret of its own.
pub(super) fn some_push_without_secret(components: &[Component]) -> bool {
    let mut containers = components.iter().flat_map(|one| &one.containers).map(|one| &one.fields);
    containers.any(|it| it.contains_key("registry") && !it.contains_key("pushSecret"))
}

/// The most frequent value of a field, the first of several. With `by_all`, only if all have it.
fn most_frequent(components: &[Component], field: &str, by_all: bool) -> Option<Value> {
    let built = components.iter().flat_map(|one| &one.containers);
    let built = built.filter(|container| !container.fields.contains_key("image"));
    let charts = components.iter().map(|one| one.source.as_ref()).filter(|_| field == "source");
    let built = built.map(|container| container.fields.get(field));
    let values: Vec<_> = built.chain(charts.filter(Option::is_some)).collect();
    let count = |value: &Value| values.iter().filter(|one| **one == Some(value)).count();
    // `max_by_key` returns the last of several maxima.
    let most = values.iter().rev().flatten().max_by_key(|value| count(value))?;
    (!by_all || count(most) == values.len()).then(|| (*most).clone())
}

/// Renames a job with the name of another component, which SREWorks allows.
pub(super) fn rename_duplicates(components: &mut [Component], reading: &mut Reading) {
    let mut names = BTreeSet::new();
    for component in components {
        if component.is_job && names.contains(&component.name) {
            let name = format!("{}-job", component.name);
            let what = format!(
                "another component has the name `{}`; the job becomes `{name}`",
                component.name
            );
            reading.note(&component.path, &what);
            component.name = name;
        }
        names.insert(component.name.clone());
    }
}

/// The spec as a document.
pub(super) fn document(app: &str, components: &mut [Component]) -> Value {
    let defaults = share(components);
    let mut spec = json!({"apiVersion": API_VERSION, "app": app});
    if !defaults.is_empty() {
        spec["defaults"] = json!(defaults);
    }
    spec["components"] = components.iter().map(Component::document).collect();
    spec
}

/// The path in the build file for a path in the spec.
pub(super) fn origin<'a>(components: &'a [Component], path: &str) -> Option<&'a str> {
    let (component, rest) = index(path.strip_prefix("components[")?)?;
    let component = components.get(component)?;
    let container = rest.strip_prefix(".containers[").and_then(index);
    match container.and_then(|(container, _)| component.containers.get(container)) {
        Some(container) => Some(&container.path),
        None => Some(&component.path),
    }
}

fn index(text: &str) -> Option<(usize, &str)> {
    let (index, rest) = text.split_once(']')?;
    Some((index.parse().ok()?, rest))
}
