//! Sends the contents of an archive to a registry.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{failure::FailureType, names};

use super::open::Archive;
use crate::{
    error::fail,
    package::{publish::put_indexes, whole::size},
    registry::Repository,
};

/// How many blobs are sent at the same time.
const BLOBS: usize = 4;

/// The result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `host/path:tag` of the package.
    pub reference: String,
    /// `sha256:…` of its index.
    pub digest: String,
    /// The number of blobs that were sent.
    pub sent: usize,
    /// The number of blobs that were there before.
    pub there: usize,
}

impl Archive {
    /// Puts the package into a repository with everything in it and its referrers. `done` receives the
    /// number of bytes of each blob that is there. The tag is put last. Sending twice changes nothing.
    ///
    /// # Errors
    /// `VersionExists` if the tag has something else, unless `force`. Nothing is sent then.
    pub async fn send(
        &self,
        to: &Repository,
        force: bool,
        done: impl Fn(u64),
    ) -> anyhow::Result<Sent> {
        let whole = &self.whole;
        let reference = format!("{}:{}", to.name(), whole.tag);
        let there = to.digest_of(&whole.tag).await?;
        if let Some(there) = there.filter(|there| *there != whole.package.digest && !force) {
            let digest = &whole.package.digest;
            let message = format!("`{reference}` is taken: it is `{there}`, not `{digest}`");
            return Err(fail(FailureType::VersionExists, message));
        }
        let sent = self.blobs(to, done).await?;
        self.manifests(to).await?;
        put_indexes(to, &whole.package.index(&reference)?.manifests).await?;
        to.put_manifest(&whole.tag, &whole.package).await?;
        for (subject, digest) in &whole.referrers {
            let referrer = whole.find(digest).context("a referrer is missing")?;
            to.refer(subject, referrer).await?;
        }
        let there = whole.blobs.len() - sent;
        Ok(Sent { reference, digest: whole.package.digest.clone(), sent, there })
    }

    /// Puts every blob, and returns how many were missing.
    async fn blobs(&self, to: &Repository, done: impl Fn(u64)) -> anyhow::Result<usize> {
        let done = &done;
        let put = |blob| async move {
            let sent = to.put_known(blob, &self.body(blob)?).await?;
            done(size(blob));
            anyhow::Ok(sent)
        };
        let sent = stream::iter(self.whole.blobs.values()).map(put).buffer_unordered(BLOBS);
        let sent: Vec<bool> = sent.try_collect().await?;
        Ok(sent.into_iter().filter(|sent| *sent).count())
    }

    /// Puts every manifest except referrers. The package's own parts get tags, because registries delete
    /// manifests without a tag.
    async fn manifests(&self, to: &Repository) -> anyhow::Result<()> {
        let whole = &self.whole;
        let parts = whole.package.parts()?.manifests.unwrap_or_default();
        let refers = |digest: &str| whole.referrers.iter().any(|(_, it)| it == digest);
        for manifest in whole.manifests.iter().filter(|it| !refers(&it.digest)) {
            match parts.iter().any(|part| part.digest == manifest.digest) {
                true => to.put_manifest(&names::child_tag(&manifest.digest), manifest).await?,
                false => to.put_manifest(&manifest.digest, manifest).await?,
            }
        }
        Ok(())
    }
}
