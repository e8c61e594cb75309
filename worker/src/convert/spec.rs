//! The converted spec, with shared values as defaults.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use kilnworks_workflows::spec::API_VERSION;

use super::{
    parts::{Component, Part},
    reading::Reading,
};

/// Moves shared values to the defaults, and returns the defaults. For a source and a registry the most
/// frequent value counts. A Secret must be the same for all, because a container without one must not
/// get one.
pub(super) fn share(parts: &mut [Part]) -> Map<String, Value> {
    let mut defaults = Map::new();
    for (field, by_all) in [("registry", false), ("source", false), ("pushSecret", true)] {
        let Some(value) = most_frequent(parts, field, by_all) else {
            continue;
        };
        for component in components_mut(parts) {
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
        if container.shared.get(field) == Some(value) {
            container.shared.shift_remove(field);
        }
    }
}

/// Reports what is part of packages. A package needs a registry, so without a registry the charts and
/// files are left out.
pub(super) fn packages(parts: &mut [Part], reading: &mut Reading) {
    let has_registry = |one: &Component| {
        one.containers.iter().any(|container| container.shared.contains_key("registry"))
    };
    if components(parts).any(has_registry) {
        for component in components(parts).filter(|one| !one.env.is_empty()) {
            let what = "the names are in the file `env.yaml` of the component's package";
            reading.note(&format!("{}: options.env", component.path), what);
        }
        return;
    }
    drop_packages(parts, reading);
}

fn drop_packages(parts: &mut [Part], reading: &mut Reading) {
    let why = "no image of the file has a registry for the package";
    for part in parts {
        let Part::Component(component) = part else {
            continue;
        };
        if !std::mem::take(&mut component.env).is_empty() {
            reading.left_out(&format!("{}: options.env", component.path), why);
        }
        component.source = None;
        if component.chart.take().is_some() {
            reading.left_out(&component.path, &format!("its chart: {why}"));
        }
        if component.containers.is_empty() {
            *part = Part::LeftOut(format!("left out: {}, HELM: {why}", component.name));
        }
    }
}

/// Whether an image is pushed without a Secret. SREWorks then used a Secret of its own.
pub(super) fn some_push_without_secret(parts: &[Part]) -> bool {
    let shared = components(parts).flat_map(|one| &one.containers).map(|one| &one.shared);
    shared.into_iter().any(|it| it.contains_key("registry") && !it.contains_key("pushSecret"))
}

/// The most frequent value of a field, the first of several. With `by_all`, only if all have it.
fn most_frequent(parts: &[Part], field: &str, by_all: bool) -> Option<Value> {
    let built = components(parts).flat_map(|one| &one.containers);
    let built = built.filter(|container| !container.own.contains_key("image"));
    let charts = components(parts).map(|one| one.source.as_ref()).filter(|_| field == "source");
    let built = built.map(|container| container.shared.get(field));
    let values: Vec<_> = built.chain(charts.filter(Option::is_some)).collect();
    let count = |value: &Value| values.iter().filter(|one| **one == Some(value)).count();
    // `max_by_key` returns the last of several maxima.
    let most = values.iter().rev().flatten().max_by_key(|value| count(value))?;
    (!by_all || count(most) == values.len()).then(|| (*most).clone())
}

/// Renames a job with the name of another component, which SREWorks allows.
pub(super) fn rename_duplicates(parts: &mut [Part], reading: &mut Reading) {
    let mut names = BTreeSet::new();
    for component in components_mut(parts) {
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
pub(super) fn document(app: &str, defaults: &Map<String, Value>, parts: &[Part]) -> Value {
    let component = |one: &Component| {
        let mut made = one.head();
        if !one.containers.is_empty() {
            let containers = one.containers.iter().map(|container| json!(container.fields()));
            made["containers"] = containers.collect();
        }
        if let Some(files) = one.files() {
            made["files"] = files;
        }
        made
    };
    let mut spec = json!({"apiVersion": API_VERSION, "app": app});
    if !defaults.is_empty() {
        spec["defaults"] = json!(defaults);
    }
    spec["components"] = components(parts).map(component).collect();
    spec
}

/// The path in the build file for a path in the spec.
pub(super) fn origin<'a>(parts: &'a [Part], path: &str) -> Option<&'a str> {
    let (component, rest) = index(path.strip_prefix("components[")?)?;
    let component = components(parts).nth(component)?;
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

pub(super) fn components(parts: &[Part]) -> impl Iterator<Item = &Component> {
    parts.iter().filter_map(|part| match part {
        Part::Component(component) => Some(component),
        Part::LeftOut(_) => None,
    })
}

fn components_mut(parts: &mut [Part]) -> impl Iterator<Item = &mut Component> {
    parts.iter_mut().filter_map(|part| match part {
        Part::Component(component) => Some(component),
        Part::LeftOut(_) => None,
    })
}
