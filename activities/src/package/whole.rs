//! Everything that a package comes to: manifests, blobs, and what refers to them.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use kilnworks_workflows::names;
use oci_client::manifest::OciDescriptor;
use serde::Deserialize;

use super::{
    layout::{Of, own},
    read,
};
use crate::registry::{Manifest, Repository, is_elsewhere};

/// Manifests that one package may come to.
const MANIFESTS: usize = 10_000;

/// A package with everything in it.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Its index.
    pub package: Manifest,
    /// What it is of.
    pub of: Of,
    /// The tag that it is published under.
    pub tag: String,
    /// The other manifests, by digest: each after those that it holds or refers to.
    pub manifests: Vec<Manifest>,
    /// What refers to one of the manifests: whose digest, and its own.
    pub referrers: Vec<(String, String)>,
    /// The blobs, by digest.
    pub blobs: BTreeMap<String, OciDescriptor>,
}

#[derive(Deserialize)]
struct Subject {
    subject: Option<OciDescriptor>,
}

/// The digest of the manifest that another one refers to.
pub fn subject(manifest: &Manifest) -> anyhow::Result<Option<OciDescriptor>> {
    let subject: Subject = serde_json::from_slice(&manifest.bytes)
        .with_context(|| format!("the manifest `{}` is not one", manifest.digest))?;
    Ok(subject.subject)
}

impl Whole {
    /// A package with everything in it but referrers. `manifest` gives a manifest by its digest.
    pub async fn of(
        package: Manifest,
        manifest: &mut impl AsyncFnMut(&str) -> anyhow::Result<Manifest>,
    ) -> anyhow::Result<Self> {
        let index = read::kind(&package)
            .map_err(|other| anyhow::anyhow!("`{}` is {other}, not a package", package.digest))?;
        let of = Of::read(&index).unwrap_or_default();
        let contents = own(index.annotations.as_ref(), "contents");
        let contents = contents.unwrap_or_else(|| package.digest.clone());
        let tag = names::package_tag(of.version.as_deref(), &contents);
        let (manifests, referrers, blobs) = Default::default();
        let mut whole = Self { package: package.clone(), of, tag, manifests, referrers, blobs };
        whole.hold(&package, manifest).await?;
        Ok(whole)
    }

    /// Takes in a manifest that refers to one that is here, with all that it holds.
    pub async fn refer(
        &mut self,
        referrer: Manifest,
        manifest: &mut impl AsyncFnMut(&str) -> anyhow::Result<Manifest>,
    ) -> anyhow::Result<()> {
        let subject = subject(&referrer)?.filter(|subject| self.find(&subject.digest).is_some());
        let subject = subject.with_context(|| {
            format!("the manifest `{}` refers to nothing in the package", referrer.digest)
        })?;
        self.agrees(&subject)?;
        self.hold(&referrer, manifest).await?;
        self.referrers.push((subject.digest, referrer.digest.clone()));
        self.manifests.push(referrer);
        Ok(())
    }

    /// A manifest that is here, the package's own among them.
    pub fn find(&self, digest: &str) -> Option<&Manifest> {
        let all = std::iter::once(&self.package).chain(&self.manifests);
        all.into_iter().find(|manifest| manifest.digest == digest)
    }

    /// The digest of a manifest that is here by its number.
    fn nth(&self, number: usize) -> Option<String> {
        let mut all = std::iter::once(&self.package).chain(&self.manifests);
        all.nth(number).map(|manifest| manifest.digest.clone())
    }

    /// Bytes of everything.
    pub fn size(&self) -> u64 {
        let manifests = self.manifests.iter().map(|manifest| manifest.bytes.len() as u64);
        let blobs = self.blobs.values().map(size);
        self.package.bytes.len() as u64 + manifests.sum::<u64>() + blobs.sum::<u64>()
    }

    /// Takes in what a manifest holds.
    async fn hold(
        &mut self,
        holder: &Manifest,
        manifest: &mut impl AsyncFnMut(&str) -> anyhow::Result<Manifest>,
    ) -> anyhow::Result<()> {
        let parts = holder.parts()?;
        for blob in parts.config.iter().chain(&parts.layers).filter(|blob| !is_elsewhere(blob)) {
            self.blob(blob).with_context(|| format!("the manifest `{}`", holder.digest))?;
        }
        for child in parts.manifests.iter().flatten() {
            if self.find(&child.digest).is_none() {
                let found = manifest(&child.digest).await?;
                ensure!(self.manifests.len() < MANIFESTS, "more than {MANIFESTS} manifests");
                Box::pin(self.hold(&found, manifest)).await?;
                self.manifests.push(found);
            }
            self.agrees(child)?;
        }
        Ok(())
    }

    fn blob(&mut self, blob: &OciDescriptor) -> anyhow::Result<()> {
        is_digest(&blob.digest)?;
        ensure!(blob.size >= 0, "the blob `{}` has {} bytes", blob.digest, blob.size);
        let known = self.blobs.entry(blob.digest.clone()).or_insert_with(|| blob.clone());
        ensure!(
            known.size == blob.size,
            "the blob `{}` has {} bytes and {} bytes",
            blob.digest,
            known.size,
            blob.size
        );
        Ok(())
    }

    /// Whether a manifest that is here is what a descriptor says.
    pub fn agrees(&self, said: &OciDescriptor) -> anyhow::Result<()> {
        let Some(found) = self.find(&said.digest) else { return Ok(()) };
        ensure!(
            said.size == found.descriptor().size && said.media_type == found.media_type,
            "the manifest `{}` is `{}` of {} bytes; what names it says `{}` of {} bytes",
            said.digest,
            found.media_type,
            found.bytes.len(),
            said.media_type,
            said.size
        );
        Ok(())
    }
}

/// Bytes of a blob.
pub fn size(blob: &OciDescriptor) -> u64 {
    u64::try_from(blob.size).unwrap_or(0)
}

/// Whether a text is the digest of something: `sha256:` and 64 digits.
pub fn is_digest(text: &str) -> anyhow::Result<()> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    let digits = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(digits && hex.len() == 64, "`{text}` is not a digest such as `sha256:…`");
    Ok(())
}

/// A package in a repository, with everything in it and, where asked for, what refers to it.
pub async fn in_repository(
    repository: &Repository,
    package: Manifest,
    referrers: bool,
) -> anyhow::Result<Whole> {
    let mut read = async |digest: &str| {
        is_digest(digest)?;
        let found = repository.manifest(digest).await?;
        let found = found
            .with_context(|| format!("there is no manifest `{}`", repository.reference(digest)))?;
        ensure!(found.digest == digest, "`{}` is damaged", repository.reference(digest));
        Ok(found)
    };
    let mut whole = Whole::of(package, &mut read).await?;
    if !referrers {
        return Ok(whole);
    }
    let mut asked = 0;
    // What refers is referred to in its turn: a signature of a provenance.
    while let Some(next) = whole.nth(asked) {
        for entry in repository.referrers(&next, None).await? {
            if whole.find(&entry.digest).is_none() {
                let referrer = read(&entry.digest).await?;
                whole.refer(referrer, &mut read).await?;
            }
        }
        asked += 1;
    }
    Ok(whole)
}
