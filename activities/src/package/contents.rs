//! What a package contains, regardless of how and when it was built.

use std::collections::BTreeSet;

use kilnworks_workflows::names;
use serde::Serialize;

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

impl FromIterator<Item> for Inside {
    fn from_iter<T: IntoIterator<Item = Item>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Inside {
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

    fn entry(kind: ItemKind, name: &str, digest: &str) -> Item {
        Item(kind, "server".to_owned(), name.to_owned(), digest.to_owned())
    }

    #[test]
    fn the_order_does_not_count() {
        let (one, other) =
            (entry(ItemKind::Image, "web", "sha256:1"), entry(ItemKind::File, "a", "sha256:2"));
        let inside = Inside::from_iter([one.clone(), other.clone()]);
        assert_eq!(inside.digest(), Inside::from_iter([other, one]).digest());
        // printf '["file","server","a","sha256:2"]\n["image","server","web","sha256:1"]\n' | sha256sum
        assert_eq!(
            inside.digest(),
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
        let differing = Inside::from_iter(left).differences(&Inside::from_iter(right));
        assert_eq!(differing, ["file server/gone", "image server/web"]);
    }
}
