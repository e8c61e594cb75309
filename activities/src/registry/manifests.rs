//! Manifests: reads them, and puts them unchanged.

use anyhow::Context;
use kilnworks_workflows::{failure::FailureType, names};
use oci_client::{
    Reference,
    manifest::{
        IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
        OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
    },
};
use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::repository::{ANSWER, Repository};
use crate::error::fail;

/// The accepted types of a manifest.
const MANIFESTS: [&str; 4] = [
    OCI_IMAGE_MEDIA_TYPE,
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
];

/// Bytes of the largest manifest that registries accept.
pub const MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// A manifest with its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its bytes, which determine its digest.
    pub bytes: Vec<u8>,
    /// The type that it names, or else the type that its fields suggest.
    pub media_type: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
}

/// What a manifest names: an image's config and layers, or an index's manifests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parts {
    media_type: Option<String>,
    /// An image's config.
    pub config: Option<OciDescriptor>,
    /// An image's layers.
    #[serde(default)]
    pub layers: Vec<OciDescriptor>,
    /// An index's manifests; none for an image.
    pub manifests: Option<Vec<OciDescriptor>>,
    /// The manifest that this manifest refers to.
    pub subject: Option<OciDescriptor>,
}

impl Manifest {
    /// Parses a manifest.
    pub fn of(bytes: Vec<u8>) -> anyhow::Result<Self> {
        anyhow::ensure!(
            bytes.len() <= MANIFEST_BYTES,
            "the manifest has {} bytes; at most {MANIFEST_BYTES} are accepted",
            bytes.len()
        );
        let parts: Parts = serde_json::from_slice(&bytes).context("not a manifest")?;
        let looks = match &parts.manifests {
            Some(_) => OCI_IMAGE_INDEX_MEDIA_TYPE,
            None => OCI_IMAGE_MEDIA_TYPE,
        };
        let media_type = parts.media_type.unwrap_or_else(|| looks.to_owned());
        let digest = format!("sha256:{}", names::hex(&bytes));
        Ok(Self { bytes, media_type, digest })
    }

    /// What the manifest names.
    pub fn parts(&self) -> anyhow::Result<Parts> {
        serde_json::from_slice(&self.bytes)
            .with_context(|| format!("the manifest `{}` is not one", self.digest))
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> OciDescriptor {
        super::descriptor(&self.media_type, &self.digest, self.bytes.len() as u64)
    }
}

impl Repository {
    /// The manifest under a tag or digest; none if there is none.
    pub async fn manifest(&self, reference: &str) -> anyhow::Result<Option<Manifest>> {
        let at = self.at(reference);
        let what = format!("cannot read the manifest `{at}`");
        let pull = self.client.pull_manifest_raw(&at, &self.auth, &MANIFESTS);
        let Some((bytes, _)) = self.ask(&what, ANSWER, pull).await? else { return Ok(None) };
        Manifest::of(bytes.into()).with_context(|| what).map(Some)
    }

    /// The digest under a tag or digest, without reading the manifest; none if there is none.
    pub async fn digest_of(&self, reference: &str) -> anyhow::Result<Option<String>> {
        let at = self.at(reference);
        let what = format!("cannot look up `{at}`");
        self.ask(&what, ANSWER, self.client.fetch_manifest_digest(&at, &self.auth)).await
    }

    /// Puts a manifest under a tag or its own digest, unless it is there: registries may notify others of
    /// every put. The repository must have everything that the manifest names.
    pub async fn put_manifest(&self, reference: &str, manifest: &Manifest) -> anyhow::Result<()> {
        if self.digest_of(reference).await?.as_ref() == Some(&manifest.digest) {
            return Ok(());
        }
        let at = self.at(reference);
        let what = format!("cannot put the manifest `{at}`");
        let kind = HeaderValue::from_str(&manifest.media_type).map_err(|_| {
            fail(FailureType::RegistryDenied, format!("{what}: its media type is not text"))
        })?;
        // A digest given as a tag makes the same URL. Given as a digest, the client panics if the registry
        // returns no location, as Amazon's does.
        let (registry, repository) = (self.whole.registry(), self.whole.repository());
        let place = Reference::with_tag(registry.into(), repository.into(), reference.into());
        let put = self.client.push_manifest_raw(&place, manifest.bytes.clone(), kind);
        self.send(&what, ANSWER, put).await?;
        Ok(())
    }
}
