//! The contents of a package, and where they come from.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{failure::FailureType, plan::Registry};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, Platform};

use super::{
    contents::{Inside, Item, ItemKind},
    layout::{Of, Role},
};
use crate::{
    error::fail,
    registry::{Body, Manifest, RegistryClient, Repository, descriptor, ours},
};

/// How many images are looked up at the same time.
pub(super) const IMAGES: usize = 4;

/// The contents of a package.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// What the package belongs to.
    pub of: Of,
    /// Its images.
    pub images: Vec<Image>,
    /// Its Helm charts.
    pub charts: Vec<Chart>,
    /// Its files and their templates.
    pub files: Vec<File>,
    /// The record, as JSON.
    pub record: Vec<u8>,
}

/// An object in a registry.
#[derive(Clone, Debug)]
pub struct RegistryObject {
    /// `host/path`.
    pub repository: String,
    /// The settings of its registry.
    pub registry: Registry,
    /// `sha256:…`.
    pub digest: String,
}

/// An image. A package contains no nested index. Of an index it takes the image for this worker's
/// architecture, or else the first image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Name of the component.
    pub component: String,
    /// Name of the container.
    pub container: String,
    /// Whether it is an init container.
    pub init: bool,
    /// Its platform, if it is one of several; else its config tells.
    pub platform: Option<Platform>,
    /// Where it is.
    pub origin: RegistryObject,
}

/// A Helm chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Name of the component.
    pub component: String,
    /// Where the chart is, or what it consists of.
    pub source: ChartSource,
}

/// A chart in a registry, or a new chart.
#[derive(Clone, Debug)]
pub enum ChartSource {
    /// In a registry.
    Placed(RegistryObject),
    /// New.
    Made {
        /// Its manifest, which names the other two.
        manifest: Vec<u8>,
        /// `Chart.yaml`, as JSON.
        config: Vec<u8>,
        /// The chart as `.tgz`.
        archive: Body,
    },
}

/// A file.
#[derive(Clone, Debug)]
pub struct File {
    /// Name of the component; none if the file belongs to the app itself.
    pub component: Option<String>,
    /// Name of the container that yielded it; none if the spec asks for it.
    pub container: Option<String>,
    /// Its name, unique for its component and role.
    pub name: String,
    /// A file, or a template.
    pub role: Role,
    /// Its media type.
    pub media_type: String,
    /// Where the file is, or its bytes.
    pub source: FileSource,
}

/// A blob in a registry, or new bytes.
#[derive(Clone, Debug)]
pub enum FileSource {
    /// In a registry, with its number of bytes.
    Placed(RegistryObject, u64),
    /// New.
    Made(Body),
}

/// Contents of which every part was found.
pub(super) struct FoundParts {
    pub images: Vec<(Image, Repository, Manifest)>,
    pub charts: Vec<(Chart, Manifest)>,
    pub files: Vec<(File, OciDescriptor)>,
}

impl FoundParts {
    /// Finds every part. The failure names the part that is missing.
    pub(super) async fn all(
        registry: &RegistryClient,
        contents: &Contents,
    ) -> anyhow::Result<Self> {
        let images = stream::iter(contents.images.iter().cloned())
            .map(|image| found(registry, image))
            .buffered(IMAGES)
            .try_collect()
            .await?;
        let (mut charts, mut files) = (Vec::new(), Vec::new());
        for chart in contents.charts.iter().cloned() {
            let manifest = chart.manifest(registry).await?;
            charts.push((chart, manifest));
        }
        for file in contents.files.iter().cloned() {
            let blob = file.describe().await?;
            files.push((file, blob));
        }
        Ok(Self { images, charts, files })
    }

    pub(super) fn inside(&self) -> Inside {
        let images = self.images.iter().map(|(image, _, manifest)| {
            let Image { component, container, .. } = image;
            Item(ItemKind::Image, component.clone(), container.clone(), manifest.digest.clone())
        });
        let charts = self.charts.iter().map(|(chart, manifest)| {
            let digest = manifest.digest.clone();
            Item(ItemKind::Chart, chart.component.clone(), String::new(), digest)
        });
        let files = self.files.iter().filter(|(file, _)| file.role == Role::File);
        let files = files.map(|(file, blob)| {
            let File { component, name, .. } = file;
            let component = component.clone().unwrap_or_default();
            Item(ItemKind::File, component, name.clone(), blob.digest.clone())
        });
        images.chain(charts).chain(files).collect()
    }
}

async fn found(
    registry: &RegistryClient,
    image: Image,
) -> anyhow::Result<(Image, Repository, Manifest)> {
    let RegistryObject { repository, registry: how, digest } = &image.origin;
    let from = registry.open(repository, how).await?;
    let missing = |digest: &str| {
        let Image { component, container, .. } = &image;
        let reference = from.reference(digest);
        let message = format!("{component}/{container}: the registry has no image `{reference}`");
        fail(FailureType::RegistryUnavailable, message)
    };
    let mut manifest = from.manifest(digest).await?.ok_or_else(|| missing(digest))?;
    if manifest.parts()?.manifests.is_some() {
        let index = manifest.index(&from.reference(digest))?;
        let child = ours(&index.manifests).ok_or_else(|| missing(digest))?;
        manifest = from.manifest(&child.digest).await?.ok_or_else(|| missing(&child.digest))?;
    }
    Ok((image, from, manifest))
}

impl Chart {
    async fn manifest(&self, registry: &RegistryClient) -> anyhow::Result<Manifest> {
        match &self.source {
            ChartSource::Made { manifest, .. } => Manifest::of(manifest.clone()),
            ChartSource::Placed(RegistryObject { repository, registry: how, digest }) => {
                let from = registry.open(repository, how).await?;
                let chart = from.manifest(digest).await?;
                chart.filter(|it| it.media_type == OCI_IMAGE_MEDIA_TYPE).ok_or_else(|| {
                    let (component, reference) = (&self.component, from.reference(digest));
                    let message = format!("{component}: the registry has no chart `{reference}`");
                    fail(FailureType::RegistryUnavailable, message)
                })
            }
        }
    }
}

impl File {
    async fn describe(&self) -> anyhow::Result<OciDescriptor> {
        match &self.source {
            FileSource::Made(body) => body.describe(&self.media_type).await,
            FileSource::Placed(origin, size) => {
                Ok(descriptor(&self.media_type, &origin.digest, *size))
            }
        }
    }
}
