//! What a package contains, regardless of how and when it was built.

use std::collections::BTreeSet;

use kilnworks_workflows::names;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};
use serde::Serialize;

use super::layout::own;

/// The kind of an item of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A Helm chart.
    Chart,
    /// A file.
    File,
    /// An image.
    Image,
}

/// An item of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item(
    /// Its kind.
    pub ItemKind,
    /// Name of its component; empty if it belongs to the app itself.
    pub String,
    /// Name of its container or file; a chart has none.
    pub String,
    /// `sha256:…` of its manifest or bytes.
    pub String,
);

/// All items of a package by name and digest. Packages with equal items are equal, even if their
/// records describe different builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside(BTreeSet<Item>);

impl Inside {
    /// The items of a package with these index entries and these layers of its record's manifest.
    pub fn of<'a>(
        entries: impl Iterator<Item = &'a ImageIndexEntry>,
        layers: impl Iterator<Item = &'a OciDescriptor>,
    ) -> Self {
        let entries = entries.map(|entry| (entry.annotations.as_ref(), &entry.digest));
        let layers = layers.map(|layer| (layer.annotations.as_ref(), &layer.digest));
        let item = |(notes, digest): (Option<_>, &String)| {
            let (kind, name) = match own(notes, "role").as_deref() {
                None => (ItemKind::Image, own(notes, "container")),
                Some("chart") => (ItemKind::Chart, None),
                Some("file") => (ItemKind::File, own(notes, "name")),
                Some(_) => return None,
            };
            let component = own(notes, "component").unwrap_or_default();
            Some(Item(kind, component, name.unwrap_or_default(), digest.clone()))
        };
        Self(entries.chain(layers).filter_map(item).collect())
    }

    /// `sha256:…` of a list with one line per item, `["image","server","web","sha256:…"]`: compact JSON,
    /// sorted by its four values, each line ended by a line feed.
    pub fn digest(&self) -> String {
        let lines = self.0.iter().map(|entry| {
            let line = serde_json::to_string(entry).unwrap_or_default();
            line + "\n"
        });
        format!("sha256:{}", names::hex(lines.collect::<String>().as_bytes()))
    }

    /// The names of the items that are in only one of the two packages, or that differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let differing = self.0.symmetric_difference(&other.0).map(Item::name);
        differing.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Item {
    fn name(&self) -> String {
        let Self(kind, component, name, _) = self;
        match kind {
            ItemKind::Chart => format!("chart {component}"),
            ItemKind::File if component.is_empty() => format!("file {name}"),
            ItemKind::File => format!("file {component}/{name}"),
            ItemKind::Image => format!("image {component}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside<const N: usize>(items: [Item; N]) -> Inside {
        Inside(items.into())
    }

    fn entry(kind: ItemKind, name: &str, digest: &str) -> Item {
        Item(kind, "server".to_owned(), name.to_owned(), digest.to_owned())
    }

    #[test]
    fn the_order_does_not_count() {
        let (one, other) =
            (entry(ItemKind::Image, "web", "sha256:1"), entry(ItemKind::File, "a", "sha256:2"));
        let both = inside([one.clone(), other.clone()]);
        assert_eq!(both.digest(), inside([other, one]).digest());
        // printf '["file","server","a","sha256:2"]\n["image","server","web","sha256:1"]\n' | sha256sum
        assert_eq!(
            both.digest(),
            "sha256:8cfad5cba52b8c4d30307f335ed7b71d6d931917dd5084ec0606adf3af689830"
        );
    }

    #[test]
    fn what_differs_is_named_once() {
        let left = [
            entry(ItemKind::Image, "web", "sha256:1"),
            entry(ItemKind::Image, "same", "sha256:3"),
            entry(ItemKind::File, "gone", "sha256:4"),
        ];
        let right =
            [entry(ItemKind::Image, "web", "sha256:2"), entry(ItemKind::Image, "same", "sha256:3")];
        let differing = inside(left).differences(&inside(right));
        assert_eq!(differing, ["file server/gone", "image server/web"]);
    }
}
