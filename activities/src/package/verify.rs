//! Verifies a package in a registry: whether everything is there, and matches its digest.

mod record;

use futures::{StreamExt, stream};
use oci_client::manifest::OciDescriptor;

use super::{
    read,
    whole::{in_repository, size},
};
use crate::registry::{Manifest, Repository};

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
    if let Err(other) = read::kind(package) {
        let faults = vec![format!("it is {other}, not a package")];
        return Ok(Verified { faults, ..Verified::default() });
    }
    let whole = in_repository(repository, package.clone(), true).await?;
    let mut found = Verified {
        manifests: whole.manifests.len() + 1,
        blobs: whole.blobs.len(),
        bytes: whole.blobs.values().map(size).sum(),
        referrers: whole.referrers.len(),
        faults: whole.faults.clone(),
        ..Verified::default()
    };
    let check = |blob: OciDescriptor| {
        let (done, name) = (&done, whole.name(&blob.digest));
        async move {
            let fault = self::blob(repository, &blob, deep).await?;
            done(size(&blob));
            anyhow::Ok(fault.map(|fault| format!("{name}: {fault}")))
        }
    };
    let mut checked = stream::iter(whole.blobs.values().cloned()).map(check).buffered(BLOBS);
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
