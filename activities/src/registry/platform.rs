//! The platform of an image.

use anyhow::Context;
use oci_client::manifest::Platform;
use serde_json::Value;

use super::{Manifest, Repository};

/// Bytes of the largest image config.
const CONFIG_BYTES: u64 = 8 * 1024 * 1024;

impl Repository {
    /// The platform of an image in this repository, by its config.
    pub async fn platform(&self, manifest: &Manifest) -> anyhow::Result<Platform> {
        let reference = self.reference(&manifest.digest);
        let config = manifest.parts()?.config;
        let config = config.with_context(|| format!("`{reference}` is not an image"))?;
        let bytes = self.read_blob(&config, CONFIG_BYTES).await?;
        let mut config: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the config of `{reference}` is not one"))?;
        if let Some(config) = config.as_object_mut() {
            let known = ["os", "architecture", "variant", "os.version"];
            config.retain(|key, _| known.contains(&&**key));
        }
        serde_json::from_value(config)
            .with_context(|| format!("the config of `{reference}` names no platform"))
    }
}
