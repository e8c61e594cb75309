//! Publishes a package. Whoever finds its tag finds all of it: the index comes last. So a publish
//! that died halfway is mended by another one, which sends only what is not there.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{failure::FailureType, names};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};

use super::{
    existing::existing,
    indexes::put_indexes,
    layout::{self, CHART, CHART_ARCHIVE, Notes, RECORD, TITLE},
    parts::{Chart, ChartSource, Contents, File, FileSource, Found, IMAGES, Image, Origin},
};
use crate::{
    error::fail,
    registry::{Body, EMPTY, Manifest, RegistryClient, Repository, place_known},
};

/// A package that is in its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its tag: of its version where it has one, else of what is inside.
    pub tag: String,
    /// `name:tag`.
    pub reference: String,
    /// `sha256:…` of its index.
    pub digest: String,
    /// Whether it was there before, with the same inside.
    pub existed: bool,
}

/// Publishes a package in its repository, or finds the same one there.
///
/// Every part must be in its own registry, else nothing is published. A version under which there is
/// something else ends as `VersionExists`.
pub async fn publish(
    registry: &RegistryClient,
    to: &Repository,
    contents: &Contents,
) -> anyhow::Result<Published> {
    let found = Found::all(registry, contents).await?;
    let inside = found.inside();
    let tag = names::package_tag(contents.of.version.as_deref(), &inside.digest());
    if let Some(digest) = existing(to, &tag, &contents.of, &inside).await? {
        return Ok(done(to, tag, digest, true));
    }
    // A list, as a closure that lives on would tie this to one thread.
    let images: Vec<_> = found.images.iter().map(|image| put_image(to, image)).collect();
    let mut entries: Vec<_> = stream::iter(images).buffered(IMAGES).try_collect().await?;
    put_indexes(to, &entries).await?;
    for (chart, manifest) in &found.charts {
        entries.push(put_chart(registry, to, chart, manifest).await?);
    }
    entries.push(put_record(registry, to, contents, &found).await?);
    let index = layout::index(&contents.of, &inside, entries)?;
    // Copying may have taken minutes: someone else may have published by now.
    if let Some(digest) = existing(to, &tag, &contents.of, &inside).await? {
        return Ok(done(to, tag, digest, true));
    }
    to.put_manifest(&tag, &index).await?;
    Ok(done(to, tag, index.digest, false))
}

/// Finds a package that is published, of the same things.
///
/// # Errors
/// With `VersionExists` where there is something else under its version.
pub(crate) async fn published(
    registry: &RegistryClient,
    to: &Repository,
    contents: &Contents,
) -> anyhow::Result<Option<Published>> {
    let inside = Found::all(registry, contents).await?.inside();
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
        ChartSource::Placed(Origin { repository, registry: how, digest }) => {
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

/// Puts the record and the files, which are layers of one manifest.
async fn put_record(
    registry: &RegistryClient,
    to: &Repository,
    contents: &Contents,
    found: &Found,
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
    let Origin { repository, registry: how, .. } = match &file.source {
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
