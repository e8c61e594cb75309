//! The images of several platforms that a package holds. The package's index is flat, so it holds
//! each platform's image by itself; the index of these is made again of them, the same to the byte,
//! wherever the package is.

use std::collections::BTreeMap;

use kilnworks_workflows::names;
use oci_client::manifest::ImageIndexEntry;

use super::{layout::own, read::Package};
use crate::{
    index,
    registry::{Manifest, Repository},
};

/// Whose an image is: its component and its container.
pub type Whose = (String, String);

/// The index of each container that has several images among the entries of a package.
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

/// Puts the index of each container that has several images, all of which are there, into a
/// package's repository: by it they are pulled from there as one.
pub async fn put_indexes(to: &Repository, entries: &[ImageIndexEntry]) -> anyhow::Result<()> {
    for index in indexes(entries)?.into_values() {
        to.put_manifest(&names::child_tag(&index.digest), &index).await?;
    }
    Ok(())
}

impl Package {
    /// The digest by which a container's image is pulled from where the package is: of several
    /// platforms it is their index's. None where the package has no such image.
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
