//! The spec that a build file comes to: what its containers share is written once.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use kilnworks_workflows::spec::API_VERSION;

use super::{
    component::{Component, Part},
    reading::Reading,
};

/// Moves what containers share into the defaults, and gives these. A source and a registry are
/// shared by most, as those that differ have their own; a Secret only by all, as one without must
/// not get any.
pub(super) fn share(parts: &mut [Part]) -> Map<String, Value> {
    let mut defaults = Map::new();
    for (field, by_all) in [("registry", false), ("source", false), ("pushSecret", true)] {
        let Some(value) = most_frequent(parts, field, by_all) else {
            continue;
        };
        for container in components_mut(parts).flat_map(|one| &mut one.containers) {
            if container.shared.get(field) == Some(&value) {
                container.shared.shift_remove(field);
            }
        }
        defaults.insert(field.to_owned(), value);
    }
    defaults
}

/// Whether an image is built for which no Secret is named: the predecessor had one of its own then.
pub(super) fn some_push_without_secret(parts: &[Part]) -> bool {
    let shared = components(parts).flat_map(|one| &one.containers).map(|one| &one.shared);
    shared.into_iter().any(|it| it.contains_key("registry") && !it.contains_key("pushSecret"))
}

/// The value that most containers have, the first of these; none where all must have it and do not.
fn most_frequent(parts: &[Part], field: &str, by_all: bool) -> Option<Value> {
    let built = components(parts).flat_map(|one| &one.containers);
    let built = built.filter(|container| !container.own.contains_key("image"));
    let values: Vec<_> = built.map(|container| container.shared.get(field)).collect();
    let count = |value: &Value| values.iter().filter(|one| **one == Some(value)).count();
    // Of equal ones `max_by_key` takes the last.
    let most = values.iter().rev().flatten().max_by_key(|value| count(value))?;
    (!by_all || count(most) == values.len()).then(|| (*most).clone())
}

/// A job may have the name of a service in a build file; in a spec it gets another.
pub(super) fn tell_apart(parts: &mut [Part], reading: &mut Reading) {
    let mut names = BTreeSet::new();
    for component in components_mut(parts) {
        if component.is_job && names.contains(&component.name) {
            let name = format!("{}-job", component.name);
            let what = format!("`{}` is another component's name; it is `{name}`", component.name);
            reading.note(&component.path, &what);
            component.name = name;
        }
        names.insert(component.name.clone());
    }
}

/// The spec as a document.
pub(super) fn document(app: &str, defaults: &Map<String, Value>, parts: &[Part]) -> Value {
    let component = |one: &Component| {
        let containers = one.containers.iter().map(|container| json!(container.fields()));
        json!({"name": one.name, "containers": containers.collect::<Vec<_>>()})
    };
    let mut spec = json!({"apiVersion": API_VERSION, "app": app});
    if !defaults.is_empty() {
        spec["defaults"] = json!(defaults);
    }
    spec["components"] = components(parts).map(component).collect();
    spec
}

/// The place in the build file of a place in the spec.
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
