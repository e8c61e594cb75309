//! Everything that a package consists of: manifests, blobs, and what refers to them. A registry or an
//! archive may be hostile, so the number, the size and the nesting of manifests have bounds.

use std::collections::BTreeMap;

use anyhow::ensure;
use kilnworks_workflows::names;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};

use super::{
    layout::{Of, own},
    read,
};
use crate::registry::{Manifest, Parts, Repository, descriptor, is_elsewhere};

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
    /// The other manifests. Each comes after those that it names.
    pub manifests: Vec<Manifest>,
    /// Referrers: the digest of the subject, and that of the referrer.
    pub referrers: Vec<(String, String)>,
    /// The blobs, by digest.
    pub blobs: BTreeMap<String, OciDescriptor>,
    /// The name, for people, of the part to which a manifest or a blob belongs, by digest.
    pub names: BTreeMap<String, String>,
    /// What is missing or does not match, each with the name of the part.
    pub faults: Vec<String>,
}

impl Whole {
    /// A package with everything in it, without referrers. `read` returns a manifest by its digest. If a
    /// part is missing or does not match, the package has faults.
    pub async fn of(
        package: Manifest,
        read: &mut impl AsyncFnMut(&str) -> anyhow::Result<Option<Manifest>>,
    ) -> anyhow::Result<Self> {
        let index = read::kind(&package)
            .map_err(|other| anyhow::anyhow!("`{}` is {other}, not a package", package.digest))?;
        let of = Of::read(&index).unwrap_or_default();
        let contents = own(index.annotations.as_ref(), "contents");
        let contents = contents.unwrap_or_else(|| package.digest.clone());
        let tag = names::package_tag(of.version.as_deref(), &contents);
        let names = [(package.digest.clone(), "the package".to_owned())].into();
        let (manifests, referrers, blobs, faults) = Default::default();
        let mut whole = Self { package, of, tag, manifests, referrers, blobs, names, faults };
        for entry in &index.manifests {
            whole.add(&label(entry), &described(entry), read, 1).await?;
        }
        Ok(whole)
    }

    /// Adds a manifest that refers to the manifest with the digest `to`, with everything that it names.
    pub async fn refer(
        &mut self,
        to: &str,
        referrer: &OciDescriptor,
        read: &mut impl AsyncFnMut(&str) -> anyhow::Result<Option<Manifest>>,
    ) -> anyhow::Result<()> {
        let name = format!("what refers to {}", self.name(to));
        self.add(&name, referrer, read, 1).await?;
        let Some(found) = self.find(&referrer.digest) else { return Ok(()) };
        match found.parts()?.subject {
            Some(subject) if subject.digest == to => self.agrees_or_fault(&name, &subject),
            _ => self.faults.push(format!("{name}: `{}` refers to another", referrer.digest)),
        }
        self.referrers.push((to.to_owned(), referrer.digest.clone()));
        Ok(())
    }

    /// The package, unless it has a fault.
    pub fn sound(self) -> anyhow::Result<Self> {
        match self.faults.first() {
            None => Ok(self),
            Some(fault) => Err(anyhow::anyhow!("{fault}")),
        }
    }

    /// The name, for people, of the part to which a manifest or a blob belongs.
    pub fn name(&self, digest: &str) -> &str {
        self.names.get(digest).map_or("the package", String::as_str)
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

    /// Adds a manifest with everything that it names.
    async fn add(
        &mut self,
        name: &str,
        said: &OciDescriptor,
        read: &mut impl AsyncFnMut(&str) -> anyhow::Result<Option<Manifest>>,
        depth: usize,
    ) -> anyhow::Result<()> {
        ensure!(depth <= DEPTH, "manifests name one another more than {DEPTH} times over");
        ensure!(self.faults.len() <= MANIFESTS, "more than {MANIFESTS} faults");
        let digest = &said.digest;
        if let Err(fault) = is_digest(digest) {
            self.faults.push(format!("{name}: {fault}"));
        } else if self.find(digest).is_none() {
            match read(digest).await? {
                Some(found) if found.digest == *digest => {
                    self.names.insert(digest.clone(), name.to_owned());
                    let parts = found.parts()?;
                    self.add_blobs(name, &parts);
                    for child in parts.manifests.iter().flatten() {
                        Box::pin(self.add(name, child, read, depth + 1)).await?;
                    }
                    self.push(found)?;
                }
                Some(other) => {
                    let fault =
                        format!("the manifest `{digest}` is damaged: it is `{}`", other.digest);
                    self.faults.push(format!("{name}: {fault}"));
                }
                None => self.faults.push(format!("{name}: the manifest `{digest}` is not there")),
            }
        }
        self.agrees_or_fault(name, said);
        Ok(())
    }

    fn add_blobs(&mut self, name: &str, parts: &Parts) {
        let blobs = parts.config.iter().chain(&parts.layers);
        for blob in blobs.filter(|blob| !is_elsewhere(blob)) {
            self.names.insert(blob.digest.clone(), name.to_owned());
            if let Err(fault) = self.blob(blob) {
                self.faults.push(format!("{name}: {fault}"));
            }
        }
    }

    fn agrees_or_fault(&mut self, name: &str, said: &OciDescriptor) {
        if let Err(fault) = self.agrees(said) {
            self.faults.push(format!("{name}: {fault}"));
        }
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

/// Reads a package in a repository with everything in it, and with its referrers if asked for. It may
/// have faults.
pub async fn in_repository(
    repository: &Repository,
    package: Manifest,
    referrers: bool,
) -> anyhow::Result<Whole> {
    let mut read = async |digest: &str| repository.manifest(digest).await;
    let mut whole = Whole::of(package, &mut read).await?;
    if !referrers {
        return Ok(whole);
    }
    let mut asked = 0;
    // A referrer may have referrers, such as the signature of a provenance.
    while let Some(next) = whole.nth(asked) {
        for entry in repository.referrers(&next, None).await? {
            if whole.find(&entry.digest).is_none() {
                whole.refer(&next, &described(&entry), &mut read).await?;
            }
        }
        asked += 1;
    }
    Ok(whole)
}

fn described(entry: &ImageIndexEntry) -> OciDescriptor {
    descriptor(&entry.media_type, &entry.digest, entry.size.unsigned_abs())
}

/// The name of an entry of a package, for people.
fn label(entry: &ImageIndexEntry) -> String {
    let note = |name: &str| own(entry.annotations.as_ref(), name);
    let names: Vec<_> = ["component", "container"].into_iter().filter_map(note).collect();
    let role = note("role").unwrap_or_else(|| "image".to_owned());
    [role, names.join("/")].join(" ").trim_end().to_owned()
}
