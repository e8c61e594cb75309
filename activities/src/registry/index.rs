//! Indexes: one image for several platforms.

use anyhow::Context;
use kilnworks_workflows::{output::PlatformImage, platform::Platform as Wanted, steps::Built};
use oci_client::manifest::{ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OciImageIndex, Platform};
use serde_json::json;

use super::Manifest;

/// The images of an index; none where a manifest is an image's.
pub fn entries(manifest: &Manifest) -> anyhow::Result<Option<Vec<ImageIndexEntry>>> {
    if manifest.parts()?.manifests.is_none() {
        return Ok(None);
    }
    Ok(Some(manifest.index(&manifest.digest)?.manifests))
}

/// What is known of an index by its images.
pub fn built(digest: String, images: Vec<PlatformImage>) -> Built {
    let platforms: Vec<_> = images.iter().map(|image| image.platform.as_str()).collect();
    Built {
        digest,
        size: images.iter().map(|image| image.size).sum(),
        platform: platforms.join(","),
        platforms: images,
        ..Built::default()
    }
}

/// The index of these entries, whatever their order, and without what else they say of themselves.
pub fn of(mut entries: Vec<ImageIndexEntry>) -> anyhow::Result<Manifest> {
    entries.sort_by_key(|entry| entry.platform.as_ref().map(text));
    for entry in &mut entries {
        (entry.annotations, entry.artifact_type) = (None, None);
    }
    Manifest::of(serde_json::to_vec(&listing(entries))?)
}

/// An index of these entries in their order.
pub(super) fn listing(manifests: Vec<ImageIndexEntry>) -> OciImageIndex {
    OciImageIndex {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
        manifests,
        artifact_type: None,
        annotations: None,
    }
}

/// An image as an index has it.
pub fn entry(manifest: &Manifest, platform: &str) -> anyhow::Result<ImageIndexEntry> {
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
    let platform = json!({"os": os, "architecture": architecture, "variant": variant});
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
    use kilnworks_workflows::names;
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
