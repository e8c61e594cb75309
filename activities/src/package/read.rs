//! Reads a package by its index, and checks every digest on the way.

use anyhow::Context;
use kilnworks_workflows::{names, plan::Registry, record::Record};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageIndex, OciImageManifest};

use super::{
    contents::Inside,
    layout::{Of, PACKAGE, RECORD, Role, own},
};
use crate::registry::{Manifest, RegistryClient, Repository, index};

/// Bytes of the largest record.
pub const RECORD_BYTES: u64 = 8 * 1024 * 1024;

/// A package in a repository.
pub struct Package {
    /// Its repository, which also has everything in it.
    pub repository: Repository,
    /// The bytes of its index.
    pub manifest: Manifest,
    /// What it belongs to.
    pub of: Of,
    /// The record, as JSON.
    pub record: Vec<u8>,
    /// Its images, in the order of the index.
    pub images: Vec<Image>,
    /// Its Helm charts.
    pub charts: Vec<ImageIndexEntry>,
    /// Its files.
    pub files: Vec<File>,
    /// The templates of the files, under the files' names.
    pub templates: Vec<File>,
}

/// An image of a package.
#[derive(Clone, Debug)]
pub struct Image {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// Digest, size and platform of its manifest.
    pub entry: ImageIndexEntry,
}

/// A file of a package.
#[derive(Clone, Debug)]
pub struct File {
    /// Name of the component; none if the file belongs to the app itself.
    pub component: Option<String>,
    /// Its name.
    pub name: String,
    /// Digest, size and media type of its bytes.
    pub blob: OciDescriptor,
}

/// Opens the package under `repository:tag` or `repository@digest`.
pub async fn open(
    registry: &RegistryClient,
    how: &Registry,
    reference: &str,
) -> anyhow::Result<Package> {
    let repository = names::repository_of(reference);
    let rest = reference.strip_prefix(&repository).unwrap_or_default();
    // Of `name:tag@digest`, the digest counts.
    let tag = rest.rsplit_once('@').map_or(rest.trim_start_matches(':'), |(_, digest)| digest);
    anyhow::ensure!(!tag.is_empty(), "`{reference}` has neither a tag nor a digest");
    let repository = registry.open(&repository, how).await?;
    let manifest = repository.manifest(tag).await?;
    let manifest = manifest.ok_or_else(|| anyhow::anyhow!("there is no package `{reference}`"))?;
    let index = kind(&manifest)
        .map_err(|other| anyhow::anyhow!("`{reference}` is {other}, not a package of Kilnworks"))?;
    package(&repository, manifest, index).await
}

/// The index of a package; or else what the manifest is, for a message.
pub fn kind(manifest: &Manifest) -> Result<OciImageIndex, &'static str> {
    let Ok(index) = serde_json::from_slice::<OciImageIndex>(&manifest.bytes) else {
        return Err("an image");
    };
    match index.artifact_type.as_deref() {
        Some(PACKAGE) if Of::read(&index).is_some() => Ok(index),
        Some(PACKAGE) => Err("a damaged package"),
        _ => Err("an index of images"),
    }
}

/// The package of an index.
pub async fn package(
    repository: &Repository,
    manifest: Manifest,
    index: OciImageIndex,
) -> anyhow::Result<Package> {
    let name = repository.reference(&manifest.digest);
    let records: Vec<_> = index
        .manifests
        .iter()
        .filter(|entry| is(entry.annotations.as_ref(), Role::Record))
        .collect();
    let [record] = records[..] else {
        anyhow::bail!("the package `{name}` has {} records; one is needed", records.len());
    };
    let layers = record_layers(repository, record).await?;
    let Some(first) = layers.first().filter(|layer| layer.media_type == RECORD) else {
        anyhow::bail!("the package `{name}` contains no record");
    };
    let record = repository.read_blob(first, RECORD_BYTES).await?;
    let entries = index.manifests.iter();
    let charts = entries.clone().filter(|entry| is(entry.annotations.as_ref(), Role::Chart));
    let images = entries.filter(|entry| own(entry.annotations.as_ref(), "role").is_none());
    Ok(Package {
        repository: repository.clone(),
        of: Of::read(&index).unwrap_or_default(),
        record,
        images: images.map(|entry| Image::read(entry, &name)).collect::<Result<_, _>>()?,
        charts: charts.cloned().collect(),
        files: files(&layers, Role::File, &name)?,
        templates: files(&layers, Role::Template, &name)?,
        manifest,
    })
}

async fn record_layers(
    repository: &Repository,
    record: &ImageIndexEntry,
) -> anyhow::Result<Vec<OciDescriptor>> {
    let reference = repository.reference(&record.digest);
    let found = repository.manifest(&record.digest).await?;
    let found = found.ok_or_else(|| anyhow::anyhow!("there is no manifest `{reference}`"))?;
    let manifest: OciImageManifest = serde_json::from_slice(&found.bytes)
        .map_err(|_| anyhow::anyhow!("`{reference}` is not the manifest of a record"))?;
    Ok(manifest.layers)
}

fn is(notes: Option<&Notes>, role: Role) -> bool {
    own(notes, "role").as_deref() == Some(role.as_ref())
}

type Notes = std::collections::BTreeMap<String, String>;

fn named(notes: Option<&Notes>, key: &str, package: &str) -> anyhow::Result<String> {
    own(notes, key)
        .ok_or_else(|| anyhow::anyhow!("something in the package `{package}` has no {key}"))
}

impl Image {
    fn read(entry: &ImageIndexEntry, package: &str) -> anyhow::Result<Self> {
        let notes = entry.annotations.as_ref();
        Ok(Self {
            component: named(notes, "component", package)?,
            container: named(notes, "container", package)?,
            entry: entry.clone(),
        })
    }
}

fn files(layers: &[OciDescriptor], role: Role, package: &str) -> anyhow::Result<Vec<File>> {
    let layers = layers.iter().filter(|layer| is(layer.annotations.as_ref(), role));
    let file = |layer: &OciDescriptor| {
        let notes = layer.annotations.as_ref();
        let name = own(notes, "name");
        Ok(File {
            component: own(notes, "component"),
            name: name
                .ok_or_else(|| anyhow::anyhow!("a file in the package `{package}` has no name"))?,
            blob: layer.clone(),
        })
    };
    layers.map(file).collect()
}

impl Package {
    /// The record.
    pub fn record(&self) -> anyhow::Result<Record> {
        serde_json::from_slice(&self.record).with_context(|| {
            let name = self.repository.reference(&self.manifest.digest);
            format!("the record of the package `{name}` is not one")
        })
    }

    /// The items of the package.
    pub fn inside(&self) -> Inside {
        let images = self.images.iter().map(|image| &image.entry);
        Inside::of(images.chain(&self.charts), self.files.iter().map(|file| &file.blob))
    }

    /// The content of a file, at most `max` bytes.
    pub async fn bytes(&self, file: &File, max: u64) -> anyhow::Result<Vec<u8>> {
        self.repository.read_blob(&file.blob, max).await
    }

    /// The digest by which a container's image is pulled from the package's repository: for several
    /// platforms, that of their index. None if the package has no such image.
    pub fn digest_of(&self, component: &str, container: &str) -> anyhow::Result<Option<String>> {
        let own = self.images.iter();
        let own = own.filter(|it| it.component == component && it.container == container);
        let own: Vec<_> = own.map(|image| image.entry.clone()).collect();
        Ok(match own.as_slice() {
            [] => None,
            [one] => Some(one.digest.clone()),
            _ => Some(index::of(own)?.digest),
        })
    }
}
