//! Looks up the image under a tag or digest.

use anyhow::Context;
use kilnworks_workflows::steps::Built;
use oci_client::{
    Client, Reference,
    manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest, OciManifest},
    secrets::RegistryAuth,
};
use serde::Deserialize;

use super::manifests::{MANIFESTS, Manifest};

/// Digest, size and platform of an image, and its manifest.
pub(super) async fn look_up(
    client: &Client,
    auth: &RegistryAuth,
    image: &str,
) -> anyhow::Result<(Built, Manifest)> {
    let reference: Reference =
        image.parse().with_context(|| format!("`{image}` is not an image reference"))?;
    let whole = manifest(client, &reference, auth).await?;
    let manifest = match parsed(&whole)? {
        OciManifest::Image(manifest) => manifest,
        OciManifest::ImageIndex(index) => {
            let child = ours(&index.manifests)
                .with_context(|| format!("the index `{image}` contains no image"))?;
            let child = reference.clone_with_digest(child.digest.clone());
            match parsed(&self::manifest(client, &child, auth).await?)? {
                OciManifest::Image(manifest) => manifest,
                OciManifest::ImageIndex(_) => anyhow::bail!("`{image}` is an index of indexes"),
            }
        }
    };
    let built = Built {
        digest: whole.digest.clone(),
        size: size(&manifest),
        platform: platform(client, &reference, &manifest.config).await?,
        pod_seconds: 0.0,
        platforms: Vec::new(),
    };
    Ok((built, whole))
}

async fn manifest(
    client: &Client,
    image: &Reference,
    auth: &RegistryAuth,
) -> anyhow::Result<Manifest> {
    let pulled = client.pull_manifest_raw(image, auth, &MANIFESTS).await;
    let (bytes, _) = pulled.with_context(|| format!("cannot read the manifest of `{image}`"))?;
    Manifest::of(bytes.into()).with_context(|| format!("the manifest of `{image}`"))
}

fn parsed(manifest: &Manifest) -> anyhow::Result<OciManifest> {
    serde_json::from_slice(&manifest.bytes)
        .with_context(|| format!("the manifest `{}` is not one", manifest.digest))
}

/// The image of an index for this machine's architecture, or else the first.
pub fn ours(entries: &[ImageIndexEntry]) -> Option<&ImageIndexEntry> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let is_ours = |entry: &&ImageIndexEntry| {
        entry.platform.as_ref().is_some_and(|platform| {
            platform.os.to_string() == "linux" && platform.architecture.to_string() == architecture
        })
    };
    entries.iter().find(is_ours).or_else(|| entries.first())
}

/// Bytes of the config and the layers as they are stored.
fn size(manifest: &OciImageManifest) -> u64 {
    let parts = manifest.layers.iter().chain([&manifest.config]);
    parts.map(|part| u64::try_from(part.size).unwrap_or(0)).sum()
}

async fn platform(
    client: &Client,
    image: &Reference,
    config: &OciDescriptor,
) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        os: String,
        #[serde(default)]
        architecture: String,
    }
    let mut bytes = Vec::new();
    let pulled = client.pull_blob(image, config, &mut bytes).await;
    pulled.with_context(|| format!("cannot read the config of `{image}`"))?;
    let config: Config = serde_json::from_slice(&bytes)
        .with_context(|| format!("the config of `{image}` is not one"))?;
    Ok(format!("{}/{}", config.os, config.architecture))
}
