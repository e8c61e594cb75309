//! An app's package: everything in its components' packages.

use kilnworks_workflows::{names, plan::Registry, steps::Delivered};

use super::{Making, Parts};
use crate::package::{
    layout::Role,
    parts::{Chart, ChartSource, File, FileSource, Image, RegistryObject},
    read,
};

/// The contents without the app's own files.
pub(super) async fn parts(making: &Making<'_>) -> anyhow::Result<Parts> {
    let mut parts = making.nothing();
    for delivered in &making.input.components {
        add(making, &mut parts, delivered).await?;
    }
    Ok(parts)
}

async fn add(
    making: &Making<'_>,
    parts: &mut Parts,
    Delivered { place, package }: &Delivered,
) -> anyhow::Result<()> {
    // By digest, because the tag may move.
    let reference = names::reference(&place.repository, &package.digest);
    let package = read::open(making.registry, &place.registry, &reference).await?;
    let record = package.record()?;
    parts.record.images.extend(record.images);
    parts.record.files.extend(record.files);
    parts.record.charts.extend(record.charts);
    let origin = |digest: &str| of(&place.repository, &place.registry, digest);
    parts.images.extend(package.images.into_iter().map(|image| Image {
        origin: origin(&image.entry.digest),
        component: image.component,
        container: image.container,
        init: image.init,
        platform: image.entry.platform,
    }));
    parts.charts.extend(package.charts.into_iter().map(|chart| Chart {
        source: ChartSource::Placed(origin(&chart.entry.digest)),
        component: chart.component,
    }));
    let files = package.files.into_iter().map(|file| (Role::File, file));
    let templates = package.templates.into_iter().map(|file| (Role::Template, file));
    parts.files.extend(files.chain(templates).map(|(role, file)| File {
        source: FileSource::Placed(
            origin(&file.blob.digest),
            u64::try_from(file.blob.size).unwrap_or_default(),
        ),
        component: file.component,
        container: file.container,
        name: file.name,
        role,
        media_type: file.blob.media_type,
    }));
    Ok(())
}

fn of(repository: &str, registry: &Registry, digest: &str) -> RegistryObject {
    RegistryObject {
        repository: repository.to_owned(),
        registry: registry.clone(),
        digest: digest.to_owned(),
    }
}
