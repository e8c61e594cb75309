//! What is inside a package, apart from when and how it came about.

use std::collections::BTreeSet;

use kilnworks_workflows::names;
use serde::Serialize;

/// What kind of thing something in a package is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A Helm chart.
    Chart,
    /// A file.
    File,
    /// An image.
    Image,
}

/// One thing in a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Entry(
    /// What it is.
    pub Kind,
    /// Name of its component; empty where it is the app's own.
    pub String,
    /// Name of its container or file; a chart has none.
    pub String,
    /// `sha256:…` of its manifest or bytes.
    pub String,
);

/// Everything in a package by name and digest. Two packages with the same are the same package,
/// although their records tell of different builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside(BTreeSet<Entry>);

impl FromIterator<Entry> for Inside {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Inside {
    /// `sha256:…` of a list with a line for each entry, `["image","server","web","sha256:…"]`:
    /// compact JSON, sorted by its four values, each line ended by a line feed.
    pub fn digest(&self) -> String {
        let lines = self.0.iter().map(|entry| {
            let line = serde_json::to_string(entry).unwrap_or_default();
            line + "\n"
        });
        format!("sha256:{}", names::hex(lines.collect::<String>().as_bytes()))
    }

    /// The names of what is in only one of two packages, or differs.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let differing = self.0.symmetric_difference(&other.0).map(Entry::name);
        differing.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Entry {
    fn name(&self) -> String {
        let Self(kind, component, name, _) = self;
        match kind {
            Kind::Chart => format!("chart {component}"),
            Kind::File if component.is_empty() => format!("file {name}"),
            Kind::File => format!("file {component}/{name}"),
            Kind::Image => format!("image {component}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, name: &str, digest: &str) -> Entry {
        Entry(kind, "server".to_owned(), name.to_owned(), digest.to_owned())
    }

    #[test]
    fn the_order_does_not_count() {
        let (one, other) =
            (entry(Kind::Image, "web", "sha256:1"), entry(Kind::File, "a", "sha256:2"));
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
            entry(Kind::Image, "web", "sha256:1"),
            entry(Kind::Image, "same", "sha256:3"),
            entry(Kind::File, "gone", "sha256:4"),
        ];
        let right = [entry(Kind::Image, "web", "sha256:2"), entry(Kind::Image, "same", "sha256:3")];
        let differing = Inside::from_iter(left).differences(&Inside::from_iter(right));
        assert_eq!(differing, ["file server/gone", "image server/web"]);
    }
}
