//! The indexes of images for several platforms. A package's index is flat and contains each platform's
//! image by itself. The images' own index is rebuilt from these, to the same bytes, in any registry.

use std::collections::BTreeMap;

use kilnworks_workflows::names;
use oci_client::manifest::ImageIndexEntry;

use super::{layout::own, read::Package};
use crate::registry::{Manifest, Repository, index};

/// The component and the container of an image.
pub type Whose = (String, String);

/// The index of each container that has several images in a package.
pub fn indexes(entries: &[ImageIndexEntry]) -> anyhow::Result<BTreeMap<Whose, Manifest>> {
    let mut all: BTreeMap<_, Vec<ImageIndexEntry>> = BTreeMap::new();
    for entry in entries {
        let note = |name: &str| own(entry.annotations.as_ref(), name);
        if let Some(whose) = note("component").zip(note("container")) {
            all.entry(whose).or_default().push(entry.clone());
        }
    }
    let several = all.into_iter().filter(|(_, entries)| entries.len() > 1);
    several.map(|(whose, entries)| Ok((whose, index::of(entries)?))).collect()
}

/// Puts the index of each container with several images into a package's repository, so that they can
/// be pulled from there as one image. The images must be there.
pub async fn put_indexes(to: &Repository, entries: &[ImageIndexEntry]) -> anyhow::Result<()> {
    for index in indexes(entries)?.into_values() {
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
