//! Makes the package of a component or an app.
//!
//! A package is published after every image was found in its registry, so a package is complete or does
//! not exist. The same input makes the same package, byte for byte. Making it again finds it.

mod app;
mod component;
mod origins;

use anyhow::Context;
use kilnworks_workflows::{
    output::Package,
    plan::Delivery,
    record::{API_VERSION, PackagedFile, Record, Run},
    steps::DeliverInput,
};

use crate::{
    package::{
        files::{self, Content, Ready},
        layout::{Of, Role},
        parts::{Chart, Contents, File, FileSource, Image},
        publish::{Published, publish, published},
        values::{as_built, values},
    },
    registry::{Body, RegistryClient, Repository},
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
    let (to, contents, record) = making.whole().await?;
    let published = publish(registry, &to, &contents).await?;
    component::put_charts(&making, &to, &record).await?;
    origins::attach(&making, &to, &record, &published.digest).await?;
    let Published { reference, digest, .. } = published;
    Ok(Some(Package { reference, digest }))
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
    let (to, contents, _) = making.whole().await?;
    let found = published(registry, &to, &contents).await?;
    Ok(found.map(|Published { reference, digest, .. }| Package { reference, digest }))
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

/// The parts of a package, and its record.
struct Parts {
    images: Vec<Image>,
    charts: Vec<Chart>,
    files: Vec<File>,
    record: Record,
}

impl Making<'_> {
    /// The package's repository, its contents and its record.
    async fn whole(&self) -> anyhow::Result<(Repository, Contents, Record)> {
        let mut parts = match &self.input.component {
            Some(component) => component::parts(self, component).await?,
            None => app::parts(self).await?,
        };
        self.own_files(&mut parts).await?;
        let place = &self.delivery.place;
        let to = self.registry.open(&place.repository, &place.registry).await?;
        let contents = Contents {
            of: Of {
                app: self.input.app.clone(),
                component: self.input.component.clone(),
                version: self.input.version.clone(),
            },
            record: serde_json::to_vec(&parts.record).context("write the record")?,
            images: parts.images,
            charts: parts.charts,
            files: parts.files,
        };
        Ok((to, contents, parts.record))
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
        Parts { images: Vec::new(), charts: Vec::new(), files: Vec::new(), record }
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
        let component = self.input.component.as_deref();
        let source = self.source().await?;
        let commit = source.as_ref().map(|(_, commit)| commit.clone());
        let values = values(&parts.record, component, commit.as_deref(), &as_built);
        let specs = self.delivery.files.clone();
        for ready in files::files(source, specs, values, self.scratch).await? {
            parts.add_file(component, commit.as_deref(), ready);
        }
        Ok(())
    }
}

impl Parts {
    fn add_file(&mut self, component: Option<&str>, commit: Option<&str>, ready: Ready) {
        let Ready { name, media_type, digest, size, content, template } = ready;
        let template = template.map(|text| self.add_template(component, &name, &media_type, text));
        let body = match content {
            Content::Bytes(bytes) => Body::Bytes(bytes),
            Content::File(path) => Body::File(path),
        };
        self.record.files.push(PackagedFile {
            component: component.map(str::to_owned),
            container: None,
            name: name.clone(),
            media_type: media_type.clone(),
            digest,
            size,
            template,
            commit: commit.map(str::to_owned),
        });
        self.files.push(File {
            component: component.map(str::to_owned),
            container: None,
            name,
            role: Role::File,
            media_type,
            source: FileSource::Made(body),
        });
    }

    /// Adds the template of a file, and returns its digest.
    fn add_template(
        &mut self,
        component: Option<&str>,
        name: &str,
        media_type: &str,
        text: String,
    ) -> String {
        let digest = format!("sha256:{}", kilnworks_workflows::names::hex(text.as_bytes()));
        self.files.push(File {
            component: component.map(str::to_owned),
            container: None,
            name: name.to_owned(),
            role: Role::Template,
            media_type: media_type.to_owned(),
            source: FileSource::Made(Body::Bytes(text.into_bytes())),
        });
        digest
    }
}
