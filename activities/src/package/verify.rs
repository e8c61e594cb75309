//! Verifies a package in a registry: whether everything is there, and matches its digest.

mod record;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};

use super::{
    layout::own,
    read,
    whole::{is_digest, size},
};
use crate::registry::{Manifest, Repository, is_elsewhere};

/// How many blobs are checked at the same time.
const BLOBS: usize = 8;

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of manifests, including the package's own and referrers.
    pub manifests: usize,
    /// The number of blobs.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The number of manifests that refer to the package or to something in it.
    pub referrers: usize,
    /// How much of the record is in the package.
    pub record: record::Counts,
    /// The faults, each with what it concerns.
    pub faults: Vec<String>,
}

/// Verifies the package under this manifest in a repository. It reads every manifest, and asks for the
/// size of each blob. With `deep` it reads the blobs and checks their digests. `done` receives the
/// number of bytes of each blob. Faults are returned; an error means that the registry did not answer.
pub async fn verify(
    repository: &Repository,
    package: &Manifest,
    deep: bool,
    done: impl Fn(u64),
) -> anyhow::Result<Verified> {
    let mut walk = Walk {
        repository,
        found: Verified::default(),
        blobs: BTreeMap::new(),
        seen: BTreeSet::new(),
        depth: 0,
    };
    match read::kind(package) {
        Ok(index) => walk.package(package, &index.manifests).await?,
        Err(other) => walk.found.faults.push(format!("it is {other}, not a package")),
    }
    let Walk { mut found, blobs, .. } = walk;
    found.blobs = blobs.len();
    found.bytes = blobs.values().map(|(_, blob)| size(blob)).sum();
    let check = |(name, blob): (String, OciDescriptor)| {
        let done = &done;
        async move {
            let fault = self::blob(repository, &blob, deep).await?;
            done(size(&blob));
            anyhow::Ok(fault.map(|fault| format!("{name}: {fault}")))
        }
    };
    let mut checked = stream::iter(blobs.into_values()).map(check).buffered(BLOBS);
    while let Some(fault) = checked.next().await {
        found.faults.extend(fault?);
    }
    if found.faults.is_empty() {
        // The record is one of the blobs, which are checked by now.
        (found.record, found.faults) = record::check(repository, package).await?;
    }
    Ok(found)
}

/// The fault of a blob, if it has one.
async fn blob(
    repository: &Repository,
    blob: &OciDescriptor,
    deep: bool,
) -> anyhow::Result<Option<String>> {
    let (digest, said) = (&blob.digest, size(blob));
    let there = match repository.size_of(blob).await? {
        None => return Ok(Some(format!("the blob `{digest}` is not there"))),
        Some(there) => there,
    };
    if there != said {
        return Ok(Some(format!("the blob `{digest}` has {there} bytes, not {said}")));
    }
    if !deep {
        return Ok(None);
    }
    let read = repository.write_blob(blob, &mut tokio::io::sink()).await;
    Ok(read.err().map(|error| format!("{error:#}")))
}

struct Walk<'a> {
    repository: &'a Repository,
    found: Verified,
    /// By digest, with the name of the manifest that names it.
    blobs: BTreeMap<String, (String, OciDescriptor)>,
    /// The manifests that were read.
    seen: BTreeSet<(String, i64, String)>,
    depth: usize,
}

/// The most manifests, and the deepest nesting: a registry may be hostile.
const MANIFESTS: usize = 10_000;
const DEPTH: usize = 8;

impl Walk<'_> {
    async fn package(
        &mut self,
        package: &Manifest,
        entries: &[ImageIndexEntry],
    ) -> anyhow::Result<()> {
        self.found.manifests = 1;
        self.referrers("the package", &package.digest).await?;
        for entry in entries {
            self.manifest(&label(entry), &described(entry)).await?;
        }
        Ok(())
    }

    /// Reads a manifest and what it names.
    async fn manifest(&mut self, name: &str, said: &OciDescriptor) -> anyhow::Result<()> {
        let digest = &said.digest;
        if !self.seen.insert((digest.clone(), said.size, said.media_type.clone())) {
            return Ok(());
        }
        self.found.manifests += 1;
        anyhow::ensure!(self.seen.len() <= MANIFESTS, "more than {MANIFESTS} manifests");
        anyhow::ensure!(self.depth < DEPTH, "manifests name one another {DEPTH} times over");
        if let Err(error) = is_digest(digest) {
            self.found.faults.push(format!("{name}: {error}"));
            return Ok(());
        }
        let Some(found) = self.repository.manifest(digest).await? else {
            self.found.faults.push(format!("{name}: the manifest `{digest}` is not there"));
            return Ok(());
        };
        let is = found.descriptor();
        if (&is.digest, is.size, &is.media_type) != (digest, said.size, &said.media_type) {
            let (kind, size, other) = (&is.media_type, is.size, &is.digest);
            self.found.faults.push(format!(
                "{name}: the manifest `{digest}` of {} bytes, `{}`, is `{other}` of {size} bytes, `{kind}`",
                said.size, said.media_type
            ));
        }
        self.depth += 1;
        self.referrers(name, digest).await?;
        let parts = found.parts()?;
        let blobs = parts.config.iter().chain(&parts.layers);
        for blob in blobs.filter(|blob| !is_elsewhere(blob)) {
            self.blobs.insert(blob.digest.clone(), (name.to_owned(), blob.clone()));
        }
        for child in parts.manifests.iter().flatten() {
            Box::pin(self.manifest(name, child)).await?;
        }
        self.depth -= 1;
        Ok(())
    }

    async fn referrers(&mut self, name: &str, digest: &str) -> anyhow::Result<()> {
        for entry in self.repository.referrers(digest, None).await? {
            self.found.referrers += 1;
            let name = format!("what refers to {name}");
            Box::pin(self.manifest(&name, &described(&entry))).await?;
        }
        Ok(())
    }
}

fn described(entry: &ImageIndexEntry) -> OciDescriptor {
    crate::registry::descriptor(&entry.media_type, &entry.digest, entry.size.unsigned_abs())
}

/// The kind of an entry of a package, for people.
fn label(entry: &ImageIndexEntry) -> String {
    let note = |name: &str| own(entry.annotations.as_ref(), name);
    let names: Vec<_> = ["component", "container"].into_iter().filter_map(note).collect();
    let role = note("role").unwrap_or_else(|| "image".to_owned());
    [role, names.join("/")].join(" ").trim_end().to_owned()
}
