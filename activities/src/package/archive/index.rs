//! `index.json`: what an archive contains, by name.

use anyhow::{Context, ensure};
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OciDescriptor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{LAYOUT_VERSION, REF_NAME};
use crate::{package::whole::Whole, registry::Manifest};

/// The fields that are read.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    pub(super) manifests: Vec<OciDescriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// The index of an archive. The package comes first, and is the only entry with a name.
pub(super) fn of(whole: &Whole) -> anyhow::Result<Vec<u8>> {
    let name = [(REF_NAME.to_owned(), whole.tag.clone())];
    let package = OciDescriptor {
        annotations: Some(name.into_iter().collect()),
        ..whole.package.descriptor()
    };
    let mut referrers: Vec<_> = whole.referrers.iter().map(|(_, digest)| digest).collect();
    referrers.sort_unstable();
    let referrers = referrers.into_iter().filter_map(|digest| whole.find(digest));
    let referrers = referrers.map(Manifest::descriptor);
    let index = Index {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
        manifests: std::iter::once(package).chain(referrers).collect(),
    };
    Ok(serde_json::to_vec(&index)?)
}

/// Parses an index.
pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Index> {
    let index: Index = serde_json::from_slice(bytes).context("it is not an index")?;
    ensure!(index.schema_version == 2, "its `schemaVersion` is {}, not 2", index.schema_version);
    let kind = index.media_type.as_deref().unwrap_or(OCI_IMAGE_INDEX_MEDIA_TYPE);
    ensure!(kind == OCI_IMAGE_INDEX_MEDIA_TYPE, "it is `{kind}`, not an index");
    Ok(index)
}

/// Fails unless a layout file has the only existing version.
pub(super) fn check_layout(bytes: &[u8]) -> anyhow::Result<()> {
    let layout: Layout = serde_json::from_slice(bytes).context("it is not a layout file")?;
    let version = layout.image_layout_version;
    ensure!(version == LAYOUT_VERSION, "its version is `{version}`, not `{LAYOUT_VERSION}`");
    Ok(())
}

/// The content of the layout file.
pub(super) fn layout() -> String {
    json!({"imageLayoutVersion": LAYOUT_VERSION}).to_string()
}

/// The name of an entry.
pub(super) fn name(entry: &OciDescriptor) -> Option<&str> {
    entry.annotations.as_ref()?.get(REF_NAME).map(String::as_str)
}
