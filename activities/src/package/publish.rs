//! Publishes a package. The index is put last, so whoever finds the tag finds everything. If a publish
//! dies halfway, the next one completes it and sends only what is missing.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{failure::FailureType, names};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};

use super::{
    existing::existing,
    indexes::put_indexes,
    layout::{self, CHART, CHART_ARCHIVE, Notes, RECORD, TITLE},
    parts::{
        Chart, ChartSource, Contents, File, FileSource, FoundParts, IMAGES, Image, RegistryObject,
    },
};
use crate::{
    error::fail,
    registry::{Body, EMPTY, Manifest, RegistryClient, Repository, place_known},
};

/// A package in its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its tag: made of its version, or else of its contents.
    pub tag: String,
    /// `name:tag`.
    pub reference: String,
    /// `sha256:…` of its index.
    pub digest: String,
    /// Whether the same package was there before.
    pub existed: bool,
}

/// Publishes a package in its repository, or finds the same package there. If a part is missing in its
/// own registry, nothing is published.
///
/// # Errors
/// `VersionExists` if another package has its version.
pub async fn publish(
    registry: &RegistryClient,
    to: &Repository,
    contents: &Contents,
) -> anyhow::Result<Published> {
    let found = FoundParts::all(registry, contents).await?;
    let inside = found.inside();
    let tag = names::package_tag(contents.of.version.as_deref(), &inside.digest());
    if let Some(digest) = existing(to, &tag, &contents.of, &inside).await? {
        return Ok(done(to, tag, digest, true));
    }
    // A list, because a lazy iterator would make the future not `Send`.
    let images: Vec<_> = found.images.iter().map(|image| put_image(to, image)).collect();
    let mut entries: Vec<_> = stream::iter(images).buffered(IMAGES).try_collect().await?;
    put_indexes(to, &entries).await?;
    for (chart, manifest) in &found.charts {
        entries.push(put_chart(registry, to, chart, manifest).await?);
    }
    entries.push(put_record(registry, to, contents, &found).await?);
    let index = layout::index(&contents.of, &inside, entries)?;
    // Copying may take minutes, so another build may have published meanwhile.
    if let Some(digest) = existing(to, &tag, &contents.of, &inside).await? {
        return Ok(done(to, tag, digest, true));
    }
    to.put_manifest(&tag, &index).await?;
    Ok(done(to, tag, index.digest, false))
}

/// Finds a published package with the same contents.
///
/// # Errors
/// `VersionExists` if another package has its version.
pub(crate) async fn published(
    registry: &RegistryClient,
    to: &Repository,
    contents: &Contents,
) -> anyhow::Result<Option<Published>> {
    let inside = FoundParts::all(registry, contents).await?.inside();
    let tag = names::package_tag(contents.of.version.as_deref(), &inside.digest());
    let digest = existing(to, &tag, &contents.of, &inside).await?;
    Ok(digest.map(|digest| done(to, tag, digest, true)))
}

fn done(to: &Repository, tag: String, digest: String, existed: bool) -> Published {
    let reference = format!("{}:{tag}", to.name());
    Published { tag, reference, digest, existed }
}

async fn put_image(
    to: &Repository,
    (image, from, manifest): &(Image, Repository, Manifest),
) -> anyhow::Result<ImageIndexEntry> {
    let tags = [names::child_tag(&manifest.digest)];
    let manifest = place_known(from, &manifest.digest, to, &tags).await?;
    let platform = match &image.platform {
        Some(platform) => platform.clone(),
        None => to.platform(&manifest).await?,
    };
    Notes::default()
        .own("component", Some(&image.component))
        .own("container", Some(&image.container))
        .own("init", image.init.then_some("true"))
        .entry(&manifest, Some(platform))
}

async fn put_chart(
    registry: &RegistryClient,
    to: &Repository,
    chart: &Chart,
    manifest: &Manifest,
) -> anyhow::Result<ImageIndexEntry> {
    let tag = names::child_tag(&manifest.digest);
    match &chart.source {
        ChartSource::Placed(RegistryObject { repository, registry: how, digest }) => {
            let from = registry.open(repository, how).await?;
            place_known(&from, digest, to, &[tag]).await?;
        }
        ChartSource::Made { config, archive, .. } => {
            to.put_blob(&Body::Bytes(config.clone()), CHART).await?;
            to.put_blob(archive, CHART_ARCHIVE).await?;
            to.put_manifest(&tag, manifest).await?;
        }
    }
    let notes = Notes::default().own("component", Some(&chart.component));
    notes.role(layout::Role::Chart).entry(manifest, None)
}

/// Puts the manifest whose layers are the record and the files.
async fn put_record(
    registry: &RegistryClient,
    to: &Repository,
    contents: &Contents,
    found: &FoundParts,
) -> anyhow::Result<ImageIndexEntry> {
    let config = to.put_blob(&Body::Bytes(b"{}".to_vec()), EMPTY).await?;
    let mut layers = vec![to.put_blob(&Body::Bytes(contents.record.clone()), RECORD).await?];
    for (file, blob) in &found.files {
        put_file(registry, to, file, blob).await?;
        let notes = Notes::default()
            .with(TITLE, Some(&layout::title(file)))
            .own("name", Some(&file.name))
            .own("component", file.component.as_deref())
            .own("container", file.container.as_deref());
        layers.push(notes.role(file.role).on(blob.clone()));
    }
    let manifest = layout::manifest(Some(RECORD), config, layers)?;
    to.put_manifest(&names::child_tag(&manifest.digest), &manifest).await?;
    Notes::default().role(layout::Role::Record).entry(&manifest, None)
}

async fn put_file(
    registry: &RegistryClient,
    to: &Repository,
    file: &File,
    blob: &OciDescriptor,
) -> anyhow::Result<()> {
    let RegistryObject { repository, registry: how, .. } = match &file.source {
        FileSource::Made(body) => return to.put_blob(body, &file.media_type).await.map(drop),
        FileSource::Placed(origin, _) => origin,
    };
    let from = registry.open(repository, how).await?;
    if to.take(&from, blob).await? {
        return Ok(());
    }
    let message = format!("the registry has no file `{}`", from.reference(&blob.digest));
    Err(fail(FailureType::RegistryUnavailable, message))
}
