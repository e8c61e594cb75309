//! The packages of an app and of its components: where they go, and their files.

use std::collections::BTreeSet;

use crate::{
    bounds, checks,
    document::member,
    fault::{Faults, quoted},
    names,
    plan::{Delivery, Place, shared::Inherited},
    spec::{AppSpec, ComponentSpec, FileSpec, Shared},
};

/// An app's package. Its registry is that of the defaults, or the first one in the document.
pub(super) fn of_app(faults: &mut Faults, app: &str, spec: &AppSpec) -> Option<Delivery> {
    let named = |shared: &&Shared| shared.registry.is_some();
    let components = spec.components.iter().map(|component| &component.shared);
    let containers = spec.components.iter().flat_map(|component| &component.containers);
    let none = Shared::default();
    let first = components.chain(containers.map(|one| &one.shared)).find(named).unwrap_or(&none);
    let shared = Inherited { layers: [&spec.defaults, first, &none] };
    delivery(
        faults,
        Asked { path: "", app, component: None, files: &spec.files, chart: None },
        shared,
    )
}

/// A component's package. Its registry is its own, of the defaults, or of the first container with one.
pub(super) fn of_component(
    faults: &mut Faults,
    path: &str,
    app: &str,
    defaults: &Shared,
    spec: &ComponentSpec,
) -> Option<Delivery> {
    let containers = spec.containers.iter().map(|container| &container.shared);
    let none = Shared::default();
    let first = { containers }.find(|shared| shared.registry.is_some()).unwrap_or(&none);
    let shared = Inherited { layers: [&spec.shared, defaults, first] };
    let component = Some(spec.name.as_str());
    let chart = spec.chart.as_deref();
    delivery(faults, Asked { path, app, component, files: &spec.files, chart }, shared)
}

/// What a package is asked to hold.
struct Asked<'a> {
    /// Of its owner in the document.
    path: &'a str,
    app: &'a str,
    component: Option<&'a str>,
    files: &'a [FileSpec],
    chart: Option<&'a str>,
}

fn delivery(faults: &mut Faults, asked: Asked<'_>, shared: Inherited<'_>) -> Option<Delivery> {
    let at = |name: &str| member(asked.path, name);
    faults.check(&at("files"), bounds::at_most(asked.files.len(), bounds::FILES, "entries"));
    let mut names = BTreeSet::new();
    let files = asked.files.iter().enumerate();
    let files: Vec<_> = files
        .map(|(index, spec)| file(faults, &format!("{}[{index}]", at("files")), spec, &mut names))
        .collect();
    if let Some(chart) = asked.chart {
        faults.check(&at("chart"), checks::path(chart));
    }
    let sourced = asked.chart.is_some() || files.iter().any(|file| file.path.is_some());
    let source = shared.source().filter(|_| sourced);
    if sourced && source.is_none() {
        let message = "missing; files and charts are out of a source: give `source.git` here or in \
                       `defaults`";
        faults.add(at("source"), message);
    }
    let Some(prefix) = shared.prefix() else {
        if !files.is_empty() || asked.chart.is_some() {
            let message = "missing; a package goes there: give `registry.prefix` here or in \
                           `defaults`";
            faults.add(at("registry"), message);
        }
        return None;
    };
    let (registry, _) = shared.registry();
    let place = Place {
        component: asked.component.map(str::to_owned),
        repository: names::package(prefix, asked.app, asked.component),
        registry,
    };
    Some(Delivery { place, files, chart: asked.chart.map(plain), source })
}

/// A file with its name.
fn file(
    faults: &mut Faults,
    path: &str,
    spec: &FileSpec,
    names: &mut BTreeSet<String>,
) -> FileSpec {
    let at = |name: &str| member(path, name);
    match (&spec.path, &spec.content) {
        (Some(file), None) => faults.check(&at("path"), checks::path(file)),
        (None, Some(_)) => {}
        (None, None) => faults.add(path, "empty; give a `path` of the source, or `content`"),
        (Some(_), Some(_)) => faults.add(at("content"), "not accepted beside `path`"),
    }
    let name = spec.name.as_ref().or(spec.path.as_ref());
    if let Some(name) = &spec.name {
        faults.check(&at("name"), checks::path(name));
    } else if spec.content.is_some() {
        faults.add(at("name"), "missing; a file that is written here needs one");
    }
    if let Some(kind) = &spec.media_type {
        faults.check(&at("mediaType"), checks::media_type(kind));
    }
    let name = name.map(|name| plain(name)).unwrap_or_default();
    if !names.insert(name.clone()) {
        faults.add(at("name"), format!("{} is the name of another file too", quoted(&name)));
    }
    FileSpec { name: Some(name), path: spec.path.as_deref().map(plain), ..spec.clone() }
}

/// A path without `.` parts and doubled slashes; `""` is the root.
pub(super) fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}
