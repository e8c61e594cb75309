//! The layout of a package: its types, its annotations and its manifests, for writers and readers.

use std::collections::BTreeMap;

use kilnworks_workflows::{checks, names};
use oci_client::manifest::{
    ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
    OciImageIndex, OciImageManifest, Platform,
};
use serde_json::json;
use strum::AsRefStr;

use super::contents::Inside;
use crate::registry::Manifest;

/// The type of a package.
pub const PACKAGE: &str = "application/vnd.kilnworks.package.v1+json";
/// The type of a record, and of the manifest that contains it.
pub const RECORD: &str = "application/vnd.kilnworks.record.v1+json";
/// The type of a Helm chart's config, which identifies a chart.
pub const CHART: &str = "application/vnd.cncf.helm.config.v1+json";
/// The type of a Helm chart's archive.
pub const CHART_ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// The annotation with the name of a package or a file.
pub const TITLE: &str = "org.opencontainers.image.title";
/// The annotation with the version of a package.
pub const VERSION: &str = "org.opencontainers.image.version";

/// The role of an index entry, or of a layer of the record's manifest.
#[derive(AsRefStr, Clone, Copy, Debug, PartialEq, Eq)]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// A Helm chart.
    Chart,
    /// The record and the files.
    Record,
    /// A file.
    File,
    /// The template of a file.
    Template,
}

/// Annotations of a package, of its entries, or of its files.
#[derive(Clone, Debug, Default)]
pub struct Notes(BTreeMap<String, String>);

impl Notes {
    /// Adds an annotation, if there is a value.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// Adds an annotation of ours.
    pub fn own(self, name: &str, value: Option<&str>) -> Self {
        self.with(&names::label(name), value)
    }

    /// Adds the role.
    pub fn role(self, role: Role) -> Self {
        self.own("role", Some(role.as_ref()))
    }

    fn map(self) -> Option<BTreeMap<String, String>> {
        Some(self.0)
    }

    /// An index entry with these annotations. An entry that is no image has the platform `unknown`, so
    /// that no runtime runs it. An entry names no artifact type: skopeo 1.9 rewrites an index with such an
    /// entry, and drops the type of the package.
    pub fn entry(
        self,
        manifest: &Manifest,
        platform: Option<Platform>,
    ) -> anyhow::Result<ImageIndexEntry> {
        let nowhere =
            || serde_json::from_value(json!({"os": "unknown", "architecture": "unknown"}));
        Ok(ImageIndexEntry {
            media_type: manifest.media_type.clone(),
            digest: manifest.digest.clone(),
            size: manifest.descriptor().size,
            platform: Some(platform.map_or_else(nowhere, Ok)?),
            annotations: self.map(),
            artifact_type: None,
        })
    }
}

/// What a package belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Of {
    /// Name of the app.
    pub app: String,
    /// Name of the component; none for an app's package.
    pub component: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

impl Of {
    /// `<app>` or `<app>-<component>`.
    pub fn title(&self) -> String {
        match &self.component {
            Some(component) => format!("{}-{component}", self.app),
            None => self.app.clone(),
        }
    }

    /// Reads the annotations of a package; none if they are not those of a package of ours.
    pub fn read(index: &OciImageIndex) -> Option<Self> {
        let note = |name: &str| note(index.annotations.as_ref(), name);
        (index.artifact_type.as_deref() == Some(PACKAGE)).then_some(())?;
        let of = Self {
            app: note(&names::label("app"))?,
            component: note(&names::label("component")),
            version: note(VERSION),
        };
        // Names of repositories and tags are made of them in each registry.
        let are_names =
            std::iter::once(&of.app).chain(&of.component).all(|it| checks::name(it).is_ok());
        let is_version = of.version.as_ref().is_none_or(|it| checks::version(it).is_ok());
        (are_names && is_version && !names::is_reserved(&of.title())).then_some(of)
    }
}

/// The index of a package.
pub fn index(of: &Of, inside: &Inside, entries: Vec<ImageIndexEntry>) -> anyhow::Result<Manifest> {
    let notes = Notes::default()
        .with(TITLE, Some(&of.title()))
        .with(VERSION, of.version.as_deref())
        .own("app", Some(&of.app))
        .own("component", of.component.as_deref())
        .own("contents", Some(&inside.digest()));
    let index = OciImageIndex {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
        manifests: entries,
        artifact_type: Some(PACKAGE.to_owned()),
        annotations: notes.map(),
    };
    Manifest::of(serde_json::to_vec(&index)?)
}

/// A manifest with a config and layers.
pub fn manifest(
    artifact_type: Option<&str>,
    config: OciDescriptor,
    layers: Vec<OciDescriptor>,
) -> anyhow::Result<Manifest> {
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        artifact_type: artifact_type.map(str::to_owned),
        config,
        layers,
        ..OciImageManifest::default()
    };
    Manifest::of(serde_json::to_vec(&manifest)?)
}

/// The layer of a file or a template. Its title, for tools that write it to the disk, is unique in the
/// package.
pub fn file(
    blob: OciDescriptor,
    role: Role,
    component: Option<&str>,
    container: Option<&str>,
    name: &str,
) -> OciDescriptor {
    let above = (role == Role::Template).then_some("templates").into_iter().chain(component);
    let notes = Notes::default()
        .with(TITLE, Some(&above.chain([name]).collect::<Vec<_>>().join("/")))
        .own("name", Some(name))
        .own("component", component)
        .own("container", container)
        .role(role);
    OciDescriptor { annotations: notes.map(), ..blob }
}

/// An annotation.
pub fn note(notes: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    notes?.get(name).cloned()
}

/// An annotation of ours.
pub fn own(notes: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    note(notes, &names::label(name))
}
