//! Makes the package of a component or an app.
//!
//! A package is published after every image was found in its registry, so a package is complete or does
//! not exist. The same input makes the same package, byte for byte. Making it again finds it.

mod component;
mod origins;

use anyhow::Context;
use kilnworks_workflows::{
    names,
    output::{ContainerImage, Package},
    plan::Delivery,
    record::{API_VERSION, PackagedFile, Record, Run},
    steps::{DeliverInput, Delivered},
};

use crate::{
    package::{
        files,
        layout::{self, Of, Role},
        parts::{Contents, Source},
        publish::{publish, published},
        read,
        values::{as_built, values},
    },
    registry::{Body, RegistryClient, Repository, descriptor},
    source::{Snapshot, Sources, scratch},
};

/// Publishes a package. None if the spec asks for no package.
pub async fn deliver(
    registry: &RegistryClient,
    sources: &Sources,
    input: DeliverInput,
) -> anyhow::Result<Option<Package>> {
    let Some(delivery) = &input.delivery else { return Ok(None) };
    let scratch = scratch::dir(&sources.scratch())?;
    let making = Making { registry, sources, input: &input, delivery, scratch: scratch.path() };
    let (to, Parts { contents, record }) = making.whole().await?;
    let package = publish(&to, &contents).await?;
    component::put_charts(&making, &to, &record).await?;
    origins::attach(&making, &to, &record, &package.digest).await?;
    Ok(Some(package))
}

/// Looks for the package that [`deliver`] would publish, and writes nothing.
///
/// # Errors
/// `VersionExists` if another package has its version, besides the errors of [`deliver`].
pub(crate) async fn delivered(
    registry: &RegistryClient,
    sources: &Sources,
    input: &DeliverInput,
) -> anyhow::Result<Option<Package>> {
    let Some(delivery) = &input.delivery else { return Ok(None) };
    let scratch = scratch::dir(&sources.scratch())?;
    let making = Making { registry, sources, input, delivery, scratch: scratch.path() };
    let (to, Parts { contents, .. }) = making.whole().await?;
    published(&to, &contents).await
}

/// What the parts of a package are made with.
struct Making<'a> {
    registry: &'a RegistryClient,
    sources: &'a Sources,
    input: &'a DeliverInput,
    delivery: &'a Delivery,
    /// Directory of large files until they are sent.
    scratch: &'a std::path::Path,
}

/// The contents of a package, and its record.
struct Parts {
    contents: Contents,
    record: Record,
}

impl Making<'_> {
    /// The package's repository and its parts.
    async fn whole(&self) -> anyhow::Result<(Repository, Parts)> {
        let mut parts = self.nothing();
        match &self.input.component {
            Some(component) => component::add(self, &mut parts, component).await?,
            None => {
                for delivered in &self.input.components {
                    self.add_component(&mut parts, delivered).await?;
                }
            }
        }
        self.own_files(&mut parts).await?;
        parts.contents.record = serde_json::to_vec(&parts.record).context("write the record")?;
        let place = &self.delivery.place;
        Ok((self.registry.open(&place.repository, &place.registry).await?, parts))
    }

    /// A package without contents.
    fn nothing(&self) -> Parts {
        let input = self.input;
        let record = Record {
            api_version: API_VERSION.to_owned(),
            app: input.app.clone(),
            component: input.component.clone(),
            version: input.version.clone(),
            images: Vec::new(),
            files: Vec::new(),
            charts: Vec::new(),
            run: Run {
                workflow_id: input.id.workflow_id.clone(),
                run_id: input.id.run_id.clone(),
                started: input.started.clone(),
                finished: input.finished.clone(),
                kilnworks: env!("CARGO_PKG_VERSION").to_owned(),
            },
        };
        let of = Of {
            app: input.app.clone(),
            component: input.component.clone(),
            version: input.version.clone(),
        };
        Parts { contents: Contents { of, ..Contents::default() }, record }
    }

    /// Adds everything in a component's package to the app's package.
    async fn add_component(
        &self,
        parts: &mut Parts,
        Delivered { place, package }: &Delivered,
    ) -> anyhow::Result<()> {
        // By digest, because the tag may move.
        let reference = names::reference(&place.repository, &package.digest);
        let package = read::open(self.registry, &place.registry, &reference).await?;
        let record = package.record()?;
        parts.record.images.extend(record.images);
        parts.record.files.extend(record.files);
        parts.record.charts.extend(record.charts);
        let Contents { images, charts, files, .. } = &mut parts.contents;
        let from = &package.repository;
        images.extend(package.images.into_iter().map(|image| (image.entry, from.clone())));
        let charted = package.charts.into_iter();
        charts.extend(charted.map(|entry| (entry, Source::Placed(Box::new(from.clone())))));
        let filed = package.files.into_iter().chain(package.templates);
        files.extend(filed.map(|file| (file.blob, Source::Placed(Box::new(from.clone())))));
        Ok(())
    }

    /// The repository of a container's image.
    async fn repository_of(&self, image: &ContainerImage) -> anyhow::Result<Repository> {
        let registries = &self.input.registries;
        let registry = registries.get(&image.container).unwrap_or(&self.delivery.place.registry);
        self.registry.open(&names::repository_of(&image.reference), registry).await
    }

    /// The source of the package's own files, and its commit.
    async fn source(&self) -> anyhow::Result<Option<(Snapshot, String)>> {
        let Some(source) = &self.delivery.source else { return Ok(None) };
        let commit = match &self.input.commit {
            Some(commit) => commit.clone(),
            None => self.sources.fetch(source).await?,
        };
        Ok(Some((self.sources.ensure(source, &commit).await?, commit)))
    }

    /// Adds the files that the spec asks for, rendered.
    async fn own_files(&self, parts: &mut Parts) -> anyhow::Result<()> {
        if self.delivery.files.is_empty() {
            return Ok(());
        }
        let component = self.input.component.clone();
        let source = self.source().await?;
        let commit = source.as_ref().map(|(_, commit)| commit.clone());
        let values = values(&parts.record, component.as_deref(), commit.as_deref(), &as_built);
        let specs = self.delivery.files.clone();
        for ready in files::files(source, specs, values, self.scratch).await? {
            let mut file = PackagedFile {
                component: component.clone(),
                container: None,
                name: ready.name,
                media_type: ready.media_type,
                digest: ready.digest,
                size: ready.size,
                template: None,
                commit: commit.clone(),
            };
            if let Some(template) = ready.template {
                let (digest, size) =
                    (format!("sha256:{}", names::hex(template.as_bytes())), template.len() as u64);
                let body = Body::Bytes(template.into_bytes());
                parts.add_layer(&file, Role::Template, (&digest, size), body);
                file.template = Some(digest);
            }
            parts.add_file(file, ready.content);
        }
        Ok(())
    }
}

impl Parts {
    fn add_file(&mut self, file: PackagedFile, content: Body) {
        self.add_layer(&file, Role::File, (&file.digest, file.size), content);
        self.record.files.push(file);
    }

    fn add_layer(
        &mut self,
        PackagedFile { component, container, name, media_type, .. }: &PackagedFile,
        role: Role,
        (digest, size): (&str, u64),
        content: Body,
    ) {
        let blob = descriptor(media_type, digest, size);
        let layer = layout::file(blob, role, component.as_deref(), container.as_deref(), name);
        self.contents.files.push((layer, Source::Made(content)));
    }
}
