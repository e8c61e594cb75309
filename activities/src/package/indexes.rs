//! The indexes of images for several platforms. A package's index is flat and contains each platform's
//! image by itself. The images' own index is rebuilt from these, to the same bytes, in any registry.

use std::collections::BTreeMap;

use kilnworks_workflows::names;
use oci_client::manifest::ImageIndexEntry;

use super::{layout::own, read::Package};
use crate::registry::{Repository, index};

/// Puts the index of each container with several images into a package's repository, so that they can
/// be pulled from there as one image. The images must be there.
pub async fn put_indexes(to: &Repository, entries: &[ImageIndexEntry]) -> anyhow::Result<()> {
    let mut all: BTreeMap<_, Vec<ImageIndexEntry>> = BTreeMap::new();
    for entry in entries {
        let note = |name: &str| own(entry.annotations.as_ref(), name);
        if let Some(names) = note("component").zip(note("container")) {
            all.entry(names).or_default().push(entry.clone());
        }
    }
    for entries in all.into_values().filter(|entries| entries.len() > 1) {
        let index = index::of(entries)?;
        to.put_manifest(&names::child_tag(&index.digest), &index).await?;
    }
    Ok(())
}

impl Package {
    /// The digest by which a container's image is pulled from the package's repository: for several
    /// platforms, that of their index. None if the package has no such image.
    pub fn digest_of(&self, component: &str, container: &str) -> anyhow::Result<Option<String>> {
        let own = self.images.iter();
        let own = own.filter(|it| it.component == component && it.container == container);
        let own: Vec<_> = own.map(|image| image.entry.clone()).collect();
        Ok(match own.as_slice() {
            [] => None,
            [one] => Some(one.digest.clone()),
            _ => Some(index::of(own)?.digest),
        })
    }
}
