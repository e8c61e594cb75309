//! A component's package: its images, the files that its containers yield, and its Helm chart.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Context;
use kilnworks_workflows::{
    names,
    output::ContainerImage,
    record::{PackagedChart, PackagedFile, Record},
};
use oci_client::manifest::{OciDescriptor, OciImageManifest};

use super::{Making, Parts};
use crate::{
    package::{
        chart,
        layout::Role,
        parts::{Chart, ChartSource, File, FileSource, Image, RegistryObject},
        tree,
    },
    registry::{Body, Repository, index::platform_of, place_known},
};

/// The contents without the files that the spec asks for.
pub(super) async fn parts(making: &Making<'_>, component: &str) -> anyhow::Result<Parts> {
    let mut parts = making.nothing();
    parts.record.images = making.input.images.clone();
    for image in &making.input.images {
        let registries = &making.input.registries;
        let registry = registries.get(&image.container).unwrap_or(&making.delivery.place.registry);
        let origin = RegistryObject {
            repository: names::repository_of(&image.reference),
            registry: registry.clone(),
            digest: image.digest.clone(),
        };
        match image.files {
            true => yielded(making, &mut parts, image, &origin).await?,
            false => parts.images.extend(images(image, &origin)?),
        }
    }
    packed(making, &mut parts, component).await?;
    Ok(parts)
}

/// A container's image, or one image per platform: a package contains no nested index.
fn images(image: &ContainerImage, origin: &RegistryObject) -> anyhow::Result<Vec<Image>> {
    let one = |origin, platform| Image {
        component: image.component.clone(),
        container: image.container.clone(),
        init: image.init,
        platform,
        origin,
    };
    if image.platforms.is_empty() {
        return Ok(vec![one(origin.clone(), None)]);
    }
    let each = image.platforms.iter().map(|it| {
        let origin = RegistryObject { digest: it.digest.clone(), ..origin.clone() };
        Ok(one(origin, Some(platform_of(&it.platform)?)))
    });
    each.collect()
}

/// Adds the files of a container's last stage. A file's name is its container and its path.
async fn yielded(
    making: &Making<'_>,
    parts: &mut Parts,
    image: &ContainerImage,
    origin: &RegistryObject,
) -> anyhow::Result<()> {
    let from = making.registry.open(&origin.repository, &origin.registry).await?;
    let manifest = from.manifest(&origin.digest).await?;
    let manifest = manifest.with_context(|| format!("there is no image `{}`", image.reference))?;
    let manifest: OciImageManifest = serde_json::from_slice(&manifest.bytes)
        .with_context(|| format!("`{}` is not an image", image.reference))?;
    let dir = making.scratch.join(&image.container);
    tokio::fs::create_dir_all(&dir).await.context("cannot make a directory")?;
    let layers = AtomicUsize::new(0);
    let blob = |layer: OciDescriptor| {
        let path = dir.join(format!("layer-{}", layers.fetch_add(1, Ordering::Relaxed)));
        download(&from, layer, path)
    };
    for file in tree::files(&manifest, blob, &dir).await? {
        let name = format!("{}/{}", image.container, file.name);
        parts.record.files.push(PackagedFile {
            component: Some(image.component.clone()),
            container: Some(image.container.clone()),
            name: name.clone(),
            media_type: file.media_type.clone(),
            digest: file.digest,
            size: file.size,
            template: None,
            commit: image.commit.clone(),
        });
        parts.files.push(File {
            component: Some(image.component.clone()),
            container: Some(image.container.clone()),
            name,
            role: Role::File,
            media_type: file.media_type,
            source: FileSource::Made(Body::File(file.path)),
        });
    }
    Ok(())
}

async fn download(
    from: &Repository,
    layer: OciDescriptor,
    path: PathBuf,
) -> anyhow::Result<PathBuf> {
    let mut file = tokio::fs::File::create(&path).await.context("cannot keep a layer")?;
    from.write_blob(&layer, &mut file).await?;
    Ok(path)
}

/// Adds the component's Helm chart, packed.
async fn packed(making: &Making<'_>, parts: &mut Parts, component: &str) -> anyhow::Result<()> {
    let Some(path) = &making.delivery.chart else { return Ok(()) };
    let (snapshot, commit) = making.source().await?.context("a chart is out of a source")?;
    let version = making.input.version.as_deref();
    let chart = chart::chart(&snapshot, &commit, path, version).await?;
    let manifest = serde_json::to_vec(&chart.manifest).context("write the chart's manifest")?;
    let repository = names::chart(&making.delivery.place.repository);
    parts.record.charts.push(PackagedChart {
        component: component.to_owned(),
        name: chart.name,
        reference: format!("{repository}:{}", names::version_tag(&chart.version)),
        version: chart.version,
        digest: format!("sha256:{}", names::hex(&manifest)),
        commit: Some(commit),
    });
    parts.charts.push(Chart {
        component: component.to_owned(),
        source: ChartSource::Made {
            manifest,
            config: chart.config,
            archive: Body::Bytes(chart.archive),
        },
    });
    Ok(())
}

/// Also puts a component's charts under their own names, where `helm pull` finds them by version.
pub(super) async fn put_charts(
    making: &Making<'_>,
    package: &Repository,
    record: &Record,
) -> anyhow::Result<()> {
    for chart in record.charts.iter().filter(|_| record.component.is_some()) {
        let repository = names::repository_of(&chart.reference);
        let to = making.registry.open(&repository, &making.delivery.place.registry).await?;
        let tag = names::version_tag(&chart.version);
        place_known(package, &chart.digest, &to, &[tag]).await?;
    }
    Ok(())
}
