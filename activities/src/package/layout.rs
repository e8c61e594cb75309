//! How a package is laid out: types, annotations, and the manifests made of them. Written and read
//! by the same names.

use std::collections::BTreeMap;

use kilnworks_workflows::names;
use oci_client::manifest::{
    ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
    OciImageIndex, OciImageManifest, Platform,
};
use serde_json::json;

use super::{contents::Inside, parts::File};
use crate::registry::Manifest;

/// The type of a package.
pub const PACKAGE: &str = "application/vnd.kilnworks.package.v1+json";
/// The type of a record, and of the manifest that holds it.
pub const RECORD: &str = "application/vnd.kilnworks.record.v1+json";
/// The type of a Helm chart's config, by which a chart is known.
pub const CHART: &str = "application/vnd.cncf.helm.config.v1+json";
/// The type of a Helm chart's archive.
pub const CHART_ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// The annotation for the name of a package or a file.
pub const TITLE: &str = "org.opencontainers.image.title";
/// The annotation for a package's version.
pub const VERSION: &str = "org.opencontainers.image.version";

/// What an entry of an index, or a layer of a record's manifest, is to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A Helm chart.
    Chart,
    /// The record and the files.
    Record,
    /// A file.
    File,
    /// What a file was rendered of.
    Template,
}

impl Role {
    /// As the annotation says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chart => "chart",
            Self::Record => "record",
            Self::File => "file",
            Self::Template => "template",
        }
    }
}

/// Annotations: of a package, of its entries, of its files.
#[derive(Clone, Debug, Default)]
pub struct Notes(BTreeMap<String, String>);

impl Notes {
    /// One more; none where there is no value.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// One more of ours.
    pub fn own(self, name: &str, value: Option<&str>) -> Self {
        self.with(&names::label(name), value)
    }

    /// What something is to a package.
    pub fn role(self, role: Role) -> Self {
        self.own("role", Some(role.name()))
    }

    fn map(self) -> Option<BTreeMap<String, String>> {
        Some(self.0)
    }

    /// A blob with these annotations.
    pub fn on(self, blob: OciDescriptor) -> OciDescriptor {
        OciDescriptor { annotations: self.map(), ..blob }
    }

    /// An entry of an index with these annotations. What is no image is for no platform, so that no
    /// runtime takes it for one. An entry names no artifact type: skopeo 1.9 writes an index
    /// with such an entry anew, and leaves out that it is a package.
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

/// What a package is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Of {
    /// Name of the app.
    pub app: String,
    /// Name of the component; none where the package is the app's.
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

    /// What annotations say; none where they are not of a package of ours.
    pub fn read(index: &OciImageIndex) -> Option<Self> {
        let note = |name: &str| note(index.annotations.as_ref(), name);
        (index.artifact_type.as_deref() == Some(PACKAGE)).then_some(())?;
        Some(Self {
            app: note(&names::label("app"))?,
            component: note(&names::label("component")),
            version: note(VERSION),
        })
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

/// A manifest of a config and layers.
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

/// The name under which tools write a file: no two of a package have the same.
pub fn title(file: &File) -> String {
    let templates = (file.role == Role::Template).then_some("templates");
    let parts = templates.into_iter().chain(file.component.as_deref());
    parts.chain([file.name.as_str()]).collect::<Vec<_>>().join("/")
}

/// An annotation.
pub fn note(notes: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    notes?.get(name).cloned()
}

/// An annotation of ours.
pub fn own(notes: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    note(notes, &names::label(name))
}
