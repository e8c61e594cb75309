//! Publishes a package. The index is put last, so whoever finds the tag finds everything. If a publish
//! dies halfway, the next one completes it and sends only what is missing.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{failure::FailureType, names, output::Package};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};

use super::{
    chart::Chart,
    contents::Inside,
    layout::{self, CHART, CHART_ARCHIVE, Notes, Of, RECORD, Role, own},
    parts::{Contents, Source},
    read,
};
use crate::{
    error::fail,
    registry::{Body, EMPTY, Manifest, Repository, index, place_known},
};

/// How many images are copied at the same time.
const IMAGES: usize = 4;

/// The most differing names in a message.
const NAMES: usize = 5;

/// Publishes a package in its repository, or finds the same package there. If a part is missing in its
/// own registry, nothing is published.
///
/// # Errors
/// `VersionExists` if another package has its version.
pub async fn publish(to: &Repository, contents: &Contents) -> anyhow::Result<Package> {
    if let Some(there) = published(to, contents).await? {
        return Ok(there);
    }
    // A list, because a lazy iterator would make the future not `Send`.
    let images: Vec<_> = contents.images.iter().map(|(it, from)| place(from, it, to)).collect();
    stream::iter(images).buffered(IMAGES).try_collect::<()>().await?;
    let mut entries: Vec<_> = contents.images.iter().map(|(entry, _)| entry.clone()).collect();
    put_indexes(to, &entries).await?;
    for (entry, source) in &contents.charts {
        match source {
            Source::Placed(from) => place(from, entry, to).await?,
            Source::Made(chart) => put_chart(to, chart).await?,
        }
        entries.push(entry.clone());
    }
    entries.push(put_record(to, contents).await?);
    let index = layout::index(&contents.of, &contents.inside(), entries)?;
    // Copying may take minutes, so another build may have published meanwhile.
    if let Some(there) = published(to, contents).await? {
        return Ok(there);
    }
    let tag = tag(contents);
    to.put_manifest(&tag, &index).await?;
    Ok(Package { reference: at(to, &tag), digest: index.digest })
}

/// Finds a published package with the same contents.
///
/// # Errors
/// `VersionExists` if another package has its version.
pub(crate) async fn published(
    to: &Repository,
    contents: &Contents,
) -> anyhow::Result<Option<Package>> {
    let tag = tag(contents);
    let Some(there) = to.manifest(&tag).await? else { return Ok(None) };
    match difference(to, &there, &contents.of, &contents.inside()).await? {
        None => Ok(Some(Package { reference: at(to, &tag), digest: there.digest })),
        Some(why) => {
            let message = format!("`{}` is taken: {why}", at(to, &tag));
            Err(fail(FailureType::VersionExists, message))
        }
    }
}

fn tag(contents: &Contents) -> String {
    names::package_tag(contents.of.version.as_deref(), &contents.inside().digest())
}

fn at(to: &Repository, tag: &str) -> String {
    format!("{}:{tag}", to.name())
}

/// How the published package differs from the new one.
async fn difference(
    repository: &Repository,
    there: &Manifest,
    of: &Of,
    inside: &Inside,
) -> anyhow::Result<Option<String>> {
    let index = match read::kind(there) {
        Ok(index) => index,
        Err(other) => return Ok(Some(format!("it is {other}"))),
    };
    let its = Of::read(&index).unwrap_or_default();
    if (&its.app, &its.component) != (&of.app, &of.component) {
        return Ok(Some(format!("it is the package of `{}`", its.title())));
    }
    if own(index.annotations.as_ref(), "contents") == Some(inside.digest()) {
        return Ok(None);
    }
    let package = read::package(repository, there.clone(), index).await?;
    let names = package.inside().differences(inside);
    let more = names.len().saturating_sub(NAMES);
    let mut shown = names[..names.len() - more].join(", ");
    if more > 0 {
        shown += &format!(" and {more} more");
    }
    Ok(Some(format!("the published package differs in {shown}")))
}

async fn place(from: &Repository, entry: &ImageIndexEntry, to: &Repository) -> anyhow::Result<()> {
    place_known(from, &entry.digest, to, &[names::child_tag(&entry.digest)]).await.map(drop)
}

/// Puts the index of each container with several images into a package's repository, so that they can
/// be pulled from there as one image. A package contains only the images. From these, each registry gets
/// the same bytes.
pub async fn put_indexes(to: &Repository, entries: &[ImageIndexEntry]) -> anyhow::Result<()> {
    let mut all: BTreeMap<_, Vec<ImageIndexEntry>> = BTreeMap::new();
    for entry in entries {
        let note = |name: &str| own(entry.annotations.as_ref(), name);
        if let Some(names) = note("component").zip(note("container")) {
            all.entry(names).or_default().push(entry.clone());
        }
    }
    for entries in all.into_values().filter(|entries| entries.len() > 1) {
        let index = index::of(entries)?;
        to.put_manifest(&names::child_tag(&index.digest), &index).await?;
    }
    Ok(())
}

async fn put_chart(to: &Repository, chart: &Chart) -> anyhow::Result<()> {
    to.put_blob(&Body::Bytes(chart.config.clone()), CHART).await?;
    to.put_blob(&Body::Bytes(chart.archive.clone()), CHART_ARCHIVE).await?;
    to.put_manifest(&names::child_tag(&chart.manifest.digest), &chart.manifest).await
}

/// Puts the manifest whose layers are the record and the files.
async fn put_record(to: &Repository, contents: &Contents) -> anyhow::Result<ImageIndexEntry> {
    let config = to.put_blob(&Body::Bytes(b"{}".to_vec()), EMPTY).await?;
    let mut layers = vec![to.put_blob(&Body::Bytes(contents.record.clone()), RECORD).await?];
    for (layer, source) in &contents.files {
        put_file(to, layer, source).await?;
        layers.push(layer.clone());
    }
    let manifest = layout::manifest(Some(RECORD), config, layers)?;
    to.put_manifest(&names::child_tag(&manifest.digest), &manifest).await?;
    Notes::default().role(Role::Record).entry(&manifest, None)
}

async fn put_file(
    to: &Repository,
    layer: &OciDescriptor,
    source: &Source<Body>,
) -> anyhow::Result<()> {
    match source {
        Source::Made(body) => to.put_known(layer, body).await.map(drop),
        Source::Placed(from) => match to.take(from, layer).await? {
            true => Ok(()),
            false => {
                let file = from.reference(&layer.digest);
                let message = format!("the registry has no file `{file}`");
                Err(fail(FailureType::RegistryUnavailable, message))
            }
        },
    }
}
