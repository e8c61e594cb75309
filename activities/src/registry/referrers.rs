//! Referrers: manifests that refer to an image or a package, such as its provenance or a signature.
//!
//! Some registries list referrers. For others, the distribution specification defines an index under
//! the tag `sha256-<hex>`. If two workers write that index at the same time, one entry may be lost.
//! Attaching again restores it.

use std::collections::BTreeMap;

use kilnworks_workflows::names;
use oci_client::{
    errors::OciDistributionError as E,
    manifest::{
        ImageIndexEntry, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageIndex, OciImageManifest,
    },
};

use super::{
    blobs::Body,
    index,
    manifests::Manifest,
    repository::{ANSWER, Repository},
};

/// The type of the empty config, `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A new attachment.
pub struct Attachment<'a> {
    /// Its artifact type.
    pub artifact_type: &'a str,
    /// The media type of its bytes.
    pub media_type: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Annotations of its entry in the list of referrers. The same bytes with the same annotations are the
    /// same attachment.
    pub annotations: BTreeMap<String, String>,
}

impl Repository {
    /// The referrers of a manifest, of one artifact type or of any.
    pub async fn referrers(
        &self,
        digest: &str,
        artifact_type: Option<&str>,
    ) -> anyhow::Result<Vec<ImageIndexEntry>> {
        let at = self.at(digest);
        let what = format!("cannot list what refers to `{at}`");
        // Not every registry applies the filter, so this asks without one.
        let listed = async {
            match self.client.pull_referrers(&at, None).await {
                // A registry without referrers may answer like this. A real refusal also refuses the
                // index below.
                Err(E::RegistryError { .. } | E::ServerError { code: 400 | 405, .. }) => Ok(vec![]),
                listed => listed.map(|index| index.manifests),
            }
        };
        let mut entries = match self.ask(&what, ANSWER, listed).await? {
            Some(entries) if !entries.is_empty() => entries,
            // The client takes any refusal of the list for an empty list.
            _ => self.tagged(digest).await?.manifests,
        };
        entries.retain(|entry| {
            artifact_type.is_none_or(|it| entry.artifact_type.as_deref() == Some(it))
        });
        Ok(entries)
    }

    /// Attaches something to a manifest, and returns the digest of the referrer. Attaching the same again
    /// changes nothing.
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

    /// Puts a manifest that refers to the manifest with the digest `subject`. The repository must have
    /// what it names.
    pub async fn refer(&self, subject: &str, referrer: &Manifest) -> anyhow::Result<()> {
        self.put_manifest(&referrer.digest, referrer).await?;
        let known = self.referrers(subject, None).await?;
        match known.iter().any(|entry| entry.digest == referrer.digest) {
            true => Ok(()),
            false => self.enter(subject, referrer).await,
        }
    }

    /// Adds a referrer to the index, for a registry that does not list referrers.
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
            // A manifest without artifact type has the type of its config.
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
            None => Ok(index::listing(Vec::new())),
        }
    }
}

impl Manifest {
    /// Parses the manifest as an index. Errors call it `name`.
    pub fn index(&self, name: &str) -> anyhow::Result<OciImageIndex> {
        serde_json::from_slice(&self.bytes)
            .map_err(|_| anyhow::anyhow!("`{name}` is not an index of manifests"))
    }
}
