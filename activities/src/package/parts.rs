//! The parts of a package: the entries of its index and the layers of its record's manifest, as they
//! are published, each with its source. So an app's package takes the parts of its components' unchanged.

use kilnworks_workflows::failure::FailureType;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, Platform};

use super::{
    chart::Chart,
    contents::Inside,
    layout::{Notes, Of},
};
use crate::{
    error::fail,
    registry::{Body, Repository, index::entries, ours},
};

/// The contents of a package.
#[derive(Clone, Default)]
pub struct Contents {
    /// What the package belongs to.
    pub of: Of,
    /// Its images, each with a repository that has it.
    pub images: Vec<(ImageIndexEntry, Repository)>,
    /// Its Helm charts.
    pub charts: Vec<(ImageIndexEntry, Source<Chart>)>,
    /// Its files and their templates.
    pub files: Vec<(OciDescriptor, Source<Body>)>,
    /// The record, as JSON.
    pub record: Vec<u8>,
}

/// Where a part comes from.
#[derive(Clone)]
pub enum Source<T> {
    /// From a repository that has it.
    Placed(Box<Repository>),
    /// It is new.
    Made(T),
}

impl Contents {
    /// The items of the package.
    pub fn inside(&self) -> Inside {
        let images = self.images.iter().map(|(entry, _)| entry);
        let charts = self.charts.iter().map(|(entry, _)| entry);
        Inside::of(images.chain(charts), self.files.iter().map(|(layer, _)| layer))
    }
}

/// The entry of an image that must be in a repository. A package contains no nested index: of an index
/// this takes the image for this worker's architecture, or else the first image. Without `platform` the
/// image's config names it.
pub async fn image(
    from: &Repository,
    digest: &str,
    (component, container): (&str, &str),
    init: bool,
    platform: Option<Platform>,
) -> anyhow::Result<ImageIndexEntry> {
    let missing = |digest: &str| {
        let reference = from.reference(digest);
        let message = format!("{component}/{container}: the registry has no image `{reference}`");
        fail(FailureType::RegistryUnavailable, message)
    };
    let mut manifest = from.manifest(digest).await?.ok_or_else(|| missing(digest))?;
    if let Some(entries) = entries(&manifest)? {
        let child = ours(&entries).ok_or_else(|| missing(digest))?;
        manifest = from.manifest(&child.digest).await?.ok_or_else(|| missing(&child.digest))?;
    }
    let platform = match platform {
        Some(platform) => platform,
        None => from.platform(&manifest).await?,
    };
    Notes::default()
        .own("component", Some(component))
        .own("container", Some(container))
        .own("init", init.then_some("true"))
        .entry(&manifest, Some(platform))
}
