//! `index`: one image of several platforms, made of the image of each.

use anyhow::Context;
use kilnworks_workflows::{
    failure::FailureType,
    names,
    output::PlatformImage,
    platform::Platform as Wanted,
    steps::{Built, IndexInput},
};
use oci_client::manifest::{ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OciImageIndex, Platform};
use serde_json::json;

use crate::{
    error::fail,
    registry::{Manifest, RegistryClient, Repository},
};

/// Puts the index of a build that has made the image of every platform.
pub async fn index(registry: &RegistryClient, input: IndexInput) -> anyhow::Result<Built> {
    let to = registry.open(&input.repository, &input.registry).await?;
    put(&to, &input.images, &input.tags).await
}

/// Puts the index of images that are in a repository under these tags, and a tag of its own on each
/// image, as registries clear away what has none. The same images make the same index, to the byte;
/// putting it twice is putting it once.
///
/// # Errors
/// With `RegistryUnavailable` where the repository lacks one of them.
pub async fn put(
    to: &Repository,
    images: &[PlatformImage],
    tags: &[String],
) -> anyhow::Result<Built> {
    let mut entries = Vec::new();
    for image in images {
        let manifest = to.manifest(&image.digest).await?;
        let manifest = manifest.ok_or_else(|| {
            let reference = to.reference(&image.digest);
            let message = format!("the registry has no image `{reference}` for {}", image.platform);
            fail(FailureType::RegistryUnavailable, message)
        })?;
        to.put_manifest(&names::child_tag(&manifest.digest), &manifest).await?;
        entries.push(entry(&manifest, &image.platform)?);
    }
    let index = of(entries)?;
    for tag in tags {
        to.put_manifest(tag, &index).await?;
    }
    let platforms = images.iter().map(|image| image.platform.as_str());
    Ok(Built {
        tidied: false,
        digest: index.digest,
        size: images.iter().map(|image| image.size).sum(),
        platform: platforms.collect::<Vec<_>>().join(","),
        pod_seconds: 0.0,
        platforms: images.to_vec(),
    })
}

/// The index of these entries, whatever their order, and without what else they say of themselves.
pub fn of(mut entries: Vec<ImageIndexEntry>) -> anyhow::Result<Manifest> {
    entries.sort_by_key(|entry| entry.platform.as_ref().map(text));
    for entry in &mut entries {
        (entry.annotations, entry.artifact_type) = (None, None);
    }
    let index = OciImageIndex {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
        manifests: entries,
        artifact_type: None,
        annotations: None,
    };
    Manifest::of(serde_json::to_vec(&index)?)
}

fn entry(manifest: &Manifest, platform: &str) -> anyhow::Result<ImageIndexEntry> {
    Ok(ImageIndexEntry {
        media_type: manifest.media_type.clone(),
        digest: manifest.digest.clone(),
        size: manifest.descriptor().size,
        platform: Some(platform_of(platform)?),
        artifact_type: None,
        annotations: None,
    })
}

/// A platform as an index has it.
pub fn platform_of(text: &str) -> anyhow::Result<Platform> {
    let Wanted { os, architecture, variant } = Wanted::of(text);
    let mut platform = json!({"os": os, "architecture": architecture});
    if let Some(variant) = variant {
        platform["variant"] = variant.into();
    }
    serde_json::from_value(platform).with_context(|| format!("`{text}` is not a platform"))
}

/// A platform of an index as people and specs name it: `os/architecture`, and its variant where it
/// has one.
pub fn text(platform: &Platform) -> String {
    let variant = platform.variant.as_ref().map(|variant| format!("/{variant}"));
    format!("{}/{}{}", platform.os, platform.architecture, variant.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;

    use super::*;

    fn entries(platforms: &[&str]) -> Vec<ImageIndexEntry> {
        let image = |platform: &&str| {
            let bytes = json!({"schemaVersion": 2, "config": null, "layers": [], "is": platform});
            let manifest = Manifest {
                media_type: OCI_IMAGE_MEDIA_TYPE.to_owned(),
                digest: format!("sha256:{}", names::hex(platform.as_bytes())),
                bytes: bytes.to_string().into_bytes(),
            };
            entry(&manifest, platform).expect("a platform")
        };
        platforms.iter().map(image).collect()
    }

    #[test]
    fn the_same_images_make_the_same_index() {
        let mut turned = entries(&["linux/arm64", "linux/arm/v7", "linux/amd64"]);
        turned[0].annotations = Some([("a".to_owned(), "b".to_owned())].into());
        let index = of(turned).unwrap();
        assert_eq!(index, of(entries(&["linux/amd64", "linux/arm/v7", "linux/arm64"])).unwrap());
        let read: serde_json::Value = serde_json::from_slice(&index.bytes).unwrap();
        assert_eq!(index.media_type, OCI_IMAGE_INDEX_MEDIA_TYPE);
        let arm = json!({"os": "linux", "architecture": "arm", "variant": "v7"});
        assert_eq!(read["manifests"][1]["platform"], arm);
        assert_eq!(read["manifests"][0].get("annotations"), None);
        assert_ne!(index, of(entries(&["linux/amd64", "linux/arm64"])).unwrap());
    }

    #[test]
    fn a_platform_is_read_as_it_is_written() {
        for platform in ["linux/amd64", "linux/arm/v7", "linux/riscv64"] {
            assert_eq!(text(&platform_of(platform).unwrap()), platform);
        }
    }
}
