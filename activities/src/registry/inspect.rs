//! Looks up an image: its size and its platform.

use anyhow::Context;
use kilnworks_workflows::steps::Built;
use oci_client::manifest::{ImageIndexEntry, Platform};
use serde_json::Value;

use super::{Manifest, Repository, blobs};

/// Bytes of the largest image config.
const CONFIG_BYTES: u64 = 8 * 1024 * 1024;

impl Repository {
    /// The image under a tag or digest; none if the registry does not have it. For an index, the digest
    /// is the index's own. Size and platform are those of [`ours`].
    pub async fn inspect(&self, reference: &str) -> anyhow::Result<Option<Built>> {
        let Some(whole) = self.manifest(reference).await? else { return Ok(None) };
        let mut image = whole.clone();
        if whole.parts()?.manifests.is_some() {
            let name = self.reference(&whole.digest);
            let index = whole.index(&name)?;
            let child = ours(&index.manifests)
                .with_context(|| format!("the index `{name}` contains no image"))?;
            let Some(child) = self.manifest(&child.digest).await? else { return Ok(None) };
            image = child;
        }
        let parts = image.parts()?;
        let config = match (self.config(&image).await, &parts.config) {
            // An image without its config is not all there, and waiting does not bring it back.
            (Err(_), Some(config)) if !self.has_blob(&config.digest).await? => return Ok(None),
            (config, _) => config?,
        };
        let text = |key| config[key].as_str().unwrap_or_default();
        Ok(Some(Built {
            digest: whole.digest,
            // The config and the layers as they are stored.
            size: parts.layers.iter().chain(&parts.config).map(blobs::size).sum(),
            platform: format!("{}/{}", text("os"), text("architecture")),
            ..Built::default()
        }))
    }

    /// The platform of an image in this repository, by its config.
    pub async fn platform(&self, manifest: &Manifest) -> anyhow::Result<Platform> {
        let mut config = self.config(manifest).await?;
        if let Some(config) = config.as_object_mut() {
            let known = ["os", "architecture", "variant", "os.version"];
            config.retain(|key, _| known.contains(&&**key));
        }
        serde_json::from_value(config).with_context(|| {
            format!("the config of `{}` names no platform", self.reference(&manifest.digest))
        })
    }

    async fn config(&self, manifest: &Manifest) -> anyhow::Result<Value> {
        let reference = self.reference(&manifest.digest);
        let config = manifest.parts()?.config;
        let config = config.with_context(|| format!("`{reference}` is not an image"))?;
        let bytes = self.read_blob(&config, CONFIG_BYTES).await?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("the config of `{reference}` is not one"))
    }
}

/// The image of an index for this machine's architecture, or else the first.
pub fn ours(entries: &[ImageIndexEntry]) -> Option<&ImageIndexEntry> {
    let is_ours = |entry: &&ImageIndexEntry| {
        entry.platform.as_ref().is_some_and(|platform| {
            platform.os.to_string() == "linux"
                && platform.architecture.to_string() == own_architecture()
        })
    };
    entries.iter().find(is_ours).or_else(|| entries.first())
}

/// This machine's architecture, as registries name it.
pub fn own_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
