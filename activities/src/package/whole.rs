//! Everything that a package consists of: manifests, blobs, and what refers to them.

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

/// The most manifests of a package.
const MANIFESTS: usize = 10_000;

/// The most bytes of all its manifests.
const MANIFESTS_BYTES: usize = 256 << 20;

/// The deepest nesting: a package contains images, and a referrer may be an index.
const DEPTH: usize = 4;

/// A package with everything in it.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Its index.
    pub package: Manifest,
    /// What it belongs to.
    pub of: Of,
    /// The tag that it is published under.
    pub tag: String,
    /// The other manifests, by digest. Each comes after those that it names.
    pub manifests: Vec<Manifest>,
    /// Referrers: the digest of the subject, and that of the referrer.
    pub referrers: Vec<(String, String)>,
    /// The blobs, by digest.
    pub blobs: BTreeMap<String, OciDescriptor>,
}

#[derive(Deserialize)]
struct Subject {
    subject: Option<OciDescriptor>,
}

/// The digest of the manifest that a manifest refers to.
pub fn subject(manifest: &Manifest) -> anyhow::Result<Option<OciDescriptor>> {
    let subject: Subject = serde_json::from_slice(&manifest.bytes)
        .with_context(|| format!("the manifest `{}` is not one", manifest.digest))?;
    Ok(subject.subject)
}

impl Whole {
    /// A package with everything in it, without referrers. `manifest` returns a manifest by its digest.
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
        whole.hold(&package, manifest, 0).await?;
        Ok(whole)
    }

    /// Adds a manifest that refers to one of the package's manifests, with everything that it names.
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
        self.hold(&referrer, manifest, 0).await?;
        self.referrers.push((subject.digest, referrer.digest.clone()));
        self.push(referrer)
    }

    /// A manifest by its digest. The package's own counts, too.
    pub fn find(&self, digest: &str) -> Option<&Manifest> {
        let all = std::iter::once(&self.package).chain(&self.manifests);
        all.into_iter().find(|manifest| manifest.digest == digest)
    }

    /// The digest of the manifest with this number.
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

    fn push(&mut self, manifest: Manifest) -> anyhow::Result<()> {
        let bytes: usize = self.manifests.iter().map(|manifest| manifest.bytes.len()).sum();
        ensure!(
            self.manifests.len() < MANIFESTS && bytes + manifest.bytes.len() <= MANIFESTS_BYTES,
            "more than {MANIFESTS} manifests, or {} MiB of them",
            MANIFESTS_BYTES >> 20
        );
        self.manifests.push(manifest);
        Ok(())
    }

    /// Adds what a manifest names.
    async fn hold(
        &mut self,
        holder: &Manifest,
        manifest: &mut impl AsyncFnMut(&str) -> anyhow::Result<Manifest>,
        depth: usize,
    ) -> anyhow::Result<()> {
        ensure!(depth < DEPTH, "manifests hold one another more than {DEPTH} times over");
        let parts = holder.parts()?;
        for blob in parts.config.iter().chain(&parts.layers).filter(|blob| !is_elsewhere(blob)) {
            self.blob(blob).with_context(|| format!("the manifest `{}`", holder.digest))?;
        }
        for child in parts.manifests.iter().flatten() {
            if self.find(&child.digest).is_none() {
                let found = manifest(&child.digest).await?;
                Box::pin(self.hold(&found, manifest, depth + 1)).await?;
                self.push(found)?;
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

    /// Whether a known manifest matches a descriptor.
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

/// Fails unless a text is a digest: `sha256:` and 64 digits.
pub fn is_digest(text: &str) -> anyhow::Result<()> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    let digits = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(digits && hex.len() == 64, "`{text}` is not a digest such as `sha256:…`");
    Ok(())
}

/// Reads a package in a repository with everything in it, and with its referrers if asked for.
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
    // A referrer may have referrers, such as the signature of a provenance.
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
