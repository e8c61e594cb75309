//! What refers to an image or a package from beside it: its provenance, signatures of others.
//!
//! A registry that knows referrers lists them by itself. In another one an index under the tag
//! `sha256-<hex>` does, as the distribution specification has it. Two who write that index at the
//! same moment may lose the entry of one; attaching again brings it back.

use std::collections::BTreeMap;

use kilnworks_workflows::names;
use oci_client::{
    errors::OciDistributionError as E,
    manifest::{
        ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
        OciImageIndex, OciImageManifest,
    },
};

use super::{
    blobs::Body,
    manifests::Manifest,
    repository::{ANSWER, Repository},
};

/// The type of a config that says nothing, which is `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// What is attached to something in a repository.
pub struct Attachment<'a> {
    /// What kind of thing it is.
    pub artifact_type: &'a str,
    /// What its bytes are.
    pub media_type: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What its entry in the list of referrers says. The same bytes with the same annotations are
    /// the same attachment.
    pub annotations: BTreeMap<String, String>,
}

impl Repository {
    /// What refers to a manifest here, of one kind or of any.
    pub async fn referrers(
        &self,
        digest: &str,
        artifact_type: Option<&str>,
    ) -> anyhow::Result<Vec<ImageIndexEntry>> {
        let at = self.at(digest);
        let what = format!("cannot list what refers to `{at}`");
        // A registry may ignore what it was asked for; without a filter its answer is the same.
        let listed = async {
            match self.client.pull_referrers(&at, None).await {
                // Who does not know the question may answer so, too. If it is a refusal, the index
                // is refused as well.
                Err(E::RegistryError { .. } | E::ServerError { code: 400 | 405, .. }) => Ok(vec![]),
                listed => listed.map(|index| index.manifests),
            }
        };
        let mut entries = match self.ask(&what, ANSWER, listed).await? {
            Some(entries) if !entries.is_empty() => entries,
            // The client takes any refusal of the index for its absence.
            _ => self.tagged(digest).await?.manifests,
        };
        entries.retain(|entry| {
            artifact_type.is_none_or(|it| entry.artifact_type.as_deref() == Some(it))
        });
        Ok(entries)
    }

    /// Attaches something to a manifest here and gives the digest of what now refers to it.
    /// Attaching the same again changes nothing.
    pub async fn attach(
        &self,
        subject: &OciDescriptor,
        attachment: Attachment<'_>,
    ) -> anyhow::Result<String> {
        let config = self.put_blob(&Body::Bytes(b"{}".to_vec()), EMPTY).await?;
        let body = Body::Bytes(attachment.bytes.to_vec());
        let layer = self.put_blob(&body, attachment.media_type).await?;
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config,
            layers: vec![layer],
            subject: Some(subject.clone()),
            artifact_type: Some(attachment.artifact_type.to_owned()),
            annotations: Some(attachment.annotations),
            ..OciImageManifest::default()
        };
        let referrer = Manifest::of(serde_json::to_vec(&manifest)?)?;
        self.refer(&subject.digest, &referrer).await?;
        Ok(referrer.digest)
    }

    /// Puts a manifest that refers to another one here, whose digest this is. What the manifest
    /// holds must be here.
    pub async fn refer(&self, subject: &str, referrer: &Manifest) -> anyhow::Result<()> {
        self.put_manifest(&referrer.digest, referrer).await?;
        let known = self.referrers(subject, None).await?;
        match known.iter().any(|entry| entry.digest == referrer.digest) {
            true => Ok(()),
            false => self.enter(subject, referrer).await,
        }
    }

    /// Enters a referrer into the index of a registry that keeps none by itself.
    async fn enter(&self, subject: &str, referrer: &Manifest) -> anyhow::Result<()> {
        let what = self.reference(&referrer.digest);
        let manifest: OciImageManifest = serde_json::from_slice(&referrer.bytes)
            .map_err(|_| anyhow::anyhow!("`{what}` is not a manifest that refers to another"))?;
        let mut index = self.tagged(subject).await?;
        index.manifests.push(ImageIndexEntry {
            media_type: referrer.media_type.clone(),
            digest: referrer.digest.clone(),
            size: referrer.descriptor().size,
            platform: None,
            // What names no type is of its config's.
            artifact_type: manifest.artifact_type.or(Some(manifest.config.media_type)),
            annotations: manifest.annotations,
        });
        let index = Manifest::of(serde_json::to_vec(&index)?)?;
        self.put_manifest(&names::referrers_tag(subject), &index).await
    }

    async fn tagged(&self, digest: &str) -> anyhow::Result<OciImageIndex> {
        let tag = names::referrers_tag(digest);
        match self.manifest(&tag).await? {
            Some(index) => index.index(&self.at(&tag).to_string()),
            None => Ok(OciImageIndex {
                schema_version: 2,
                media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
                manifests: vec![],
                artifact_type: None,
                annotations: None,
            }),
        }
    }
}

impl Manifest {
    /// It as an index; `name` is what an error calls it.
    pub fn index(&self, name: &str) -> anyhow::Result<OciImageIndex> {
        serde_json::from_slice(&self.bytes)
            .map_err(|_| anyhow::anyhow!("`{name}` is not an index of manifests"))
    }
}
