//! A component's package: its images, the files that its containers yield, and its Helm chart.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{
    names,
    output::ContainerImage,
    record::{PackagedChart, PackagedFile, Record},
};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest};

use super::{Making, Parts};
use crate::{
    package::{
        chart,
        layout::{Notes, Role},
        parts::{self, Source},
        tree,
    },
    registry::{Body, Repository, index::platform_of, place_known},
};

/// How many images are looked up at the same time.
const IMAGES: usize = 4;

/// Adds everything except the files that the spec asks for.
pub(super) async fn add(
    making: &Making<'_>,
    parts: &mut Parts,
    component: &str,
) -> anyhow::Result<()> {
    parts.record.images = making.input.images.clone();
    let (yielding, built): (Vec<_>, Vec<_>) =
        making.input.images.iter().partition(|image| image.files);
    // A list, because a lazy iterator would make the future not `Send`.
    let finding: Vec<_> = built.into_iter().map(|image| images(making, image)).collect();
    let found: Vec<Vec<_>> = stream::iter(finding).buffered(IMAGES).try_collect().await?;
    parts.contents.images = found.into_iter().flatten().collect();
    for image in yielding {
        yielded(making, parts, image).await?;
    }
    packed(making, parts, component).await
}

/// A container's image, or its image of each platform: a package contains no nested index.
async fn images(
    making: &Making<'_>,
    image: &ContainerImage,
) -> anyhow::Result<Vec<(ImageIndexEntry, Repository)>> {
    let from = making.repository_of(image).await?;
    let names = (image.component.as_str(), image.container.as_str());
    if image.platforms.is_empty() {
        let entry = parts::image(&from, &image.digest, names, image.init, None).await?;
        return Ok(vec![(entry, from)]);
    }
    let mut all = Vec::new();
    for one in &image.platforms {
        let platform = Some(platform_of(&one.platform)?);
        let entry = parts::image(&from, &one.digest, names, image.init, platform).await?;
        all.push((entry, from.clone()));
    }
    Ok(all)
}

/// Adds the files of a container's last stage. A file's name is its container and its path.
async fn yielded(
    making: &Making<'_>,
    parts: &mut Parts,
    image: &ContainerImage,
) -> anyhow::Result<()> {
    let from = making.repository_of(image).await?;
    let manifest = from.manifest(&image.digest).await?;
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
        let packaged = PackagedFile {
            component: Some(image.component.clone()),
            container: Some(image.container.clone()),
            name: format!("{}/{}", image.container, file.name),
            media_type: file.media_type,
            digest: file.digest,
            size: file.size,
            template: None,
            commit: image.commit.clone(),
        };
        parts.add_file(packaged, Body::File(file.path));
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
    let repository = names::chart(&making.delivery.place.repository);
    parts.record.charts.push(PackagedChart {
        component: component.to_owned(),
        name: chart.name.clone(),
        reference: format!("{repository}:{}", names::version_tag(&chart.version)),
        version: chart.version.clone(),
        digest: chart.manifest.digest.clone(),
        commit: Some(commit),
    });
    let notes = Notes::default().own("component", Some(component)).role(Role::Chart);
    let entry = notes.entry(&chart.manifest, None)?;
    parts.contents.charts.push((entry, Source::Made(chart)));
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
