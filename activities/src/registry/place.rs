//! Copies an image from one repository to another.

use std::collections::BTreeMap;

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use kilnworks_workflows::failure::{Failure, FailureType};
use oci_client::{errors::OciDistributionError as E, manifest::OciDescriptor};

use super::{
    manifests::Manifest,
    repository::{ANSWER, Repository},
};
use crate::{error::Ended, turn};

/// How many blobs of an image are copied at the same time.
const BLOBS: usize = 8;

/// Copies a manifest with everything that it names, and tags it. The copy has the same bytes and the
/// same digest. None if `from` lacks the manifest or a part of it.
///
/// Blobs that are there are not sent again. Within one registry blobs are mounted if the registry
/// supports that. The manifest comes last, so whoever finds it finds everything.
pub async fn place(
    from: &Repository,
    digest: &str,
    to: &Repository,
    tags: &[String],
) -> anyhow::Result<Option<Manifest>> {
    let Some(manifest) = from.manifest(digest).await? else { return Ok(None) };
    let there = from.is(to) || to.digest_of(&manifest.digest).await?.is_some();
    if !there && !fill(from, &manifest, to).await? {
        return Ok(None);
    }
    if tags.is_empty() {
        to.put_manifest(&manifest.digest, &manifest).await?;
    }
    for tag in tags {
        to.put_manifest(tag, &manifest).await?;
    }
    Ok(Some(manifest))
}

/// Copies what a manifest names. Returns whether all of it was there.
async fn fill(from: &Repository, manifest: &Manifest, to: &Repository) -> anyhow::Result<bool> {
    let parts = manifest.parts()?;
    for child in parts.manifests.iter().flatten() {
        if child_of(from, &child.digest, to).await?.is_none() {
            return Ok(false);
        }
    }
    // An image may have the same layer twice.
    let blobs = parts.layers.iter().chain(&parts.config).filter(|blob| !is_elsewhere(blob));
    let blobs: BTreeMap<_, _> = blobs.map(|blob| (&blob.digest, blob)).collect();
    // A list, because a lazy iterator would make the future not `Send`.
    let taking: Vec<_> = blobs.into_values().map(|blob| to.take(from, blob)).collect();
    let taken: Vec<bool> = stream::iter(taking).buffer_unordered(BLOBS).try_collect().await?;
    Ok(taken.into_iter().all(|taken| taken))
}

/// [`place`] for an entry of an index. Boxed, because it is recursive.
fn child_of<'a>(
    from: &'a Repository,
    digest: &'a str,
    to: &'a Repository,
) -> BoxFuture<'a, anyhow::Result<Option<Manifest>>> {
    place(from, digest, to, &[]).boxed()
}

/// Whether a layer may be stored only by its vendor.
pub fn is_elsewhere(blob: &OciDescriptor) -> bool {
    blob.media_type.contains("nondistributable") || blob.media_type.contains(".foreign.")
}

impl Repository {
    /// Copies a blob from another repository unless it is here. Returns whether `from` had it.
    pub async fn take(&self, from: &Self, blob: &OciDescriptor) -> anyhow::Result<bool> {
        // Of two tasks that copy the same blob, the second finds it.
        let _turn = turn::wait(&self.reference(&blob.digest)).await;
        // Mounting a blob that is here succeeds, so there is no need to check first.
        let mounted = self.mount(from, &blob.digest).await;
        if matches!(mounted, Ok(true)) || self.has_blob(&blob.digest).await? {
            return Ok(true);
        }
        mounted?;
        let Some(bytes) = from.pull(blob).await? else { return Ok(false) };
        self.push(blob, bytes).await?;
        Ok(true)
    }

    /// Mounts a blob of another repository of the same registry. Registries that do not support or allow
    /// this answer in many ways, so any refusal leads to a copy, which shows the real error. Also if the
    /// token server gives rights per repository, because the client asks for one repository only.
    async fn mount(&self, from: &Self, digest: &str) -> anyhow::Result<bool> {
        if !self.shares_registry(from) {
            return Ok(false);
        }
        let what = format!("cannot mount `{}`", from.reference(digest));
        let mounting = async {
            match self.client.mount_blob(&self.whole, &from.whole, digest).await {
                Ok(()) | Err(E::RegistryNoLocationError) => Ok(true),
                Err(E::SpecViolationError(_) | E::ServerError { code: 400..500, .. }) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.send(&what, ANSWER, mounting).await
    }
}

/// [`place`], but a missing image is an error that names it. It was found before, so it was deleted
/// since, and no further run of the step brings it back.
pub async fn place_known(
    from: &Repository,
    digest: &str,
    to: &Repository,
    tags: &[String],
) -> anyhow::Result<Manifest> {
    let placed = place(from, digest, to, tags).await?;
    placed.ok_or_else(|| {
        let name = from.reference(digest);
        let lacks = format!("the registry does not have all of `{name}` any more; build it again");
        Ended(Failure::new(FailureType::RegistryUnavailable, lacks)).into()
    })
}
