//! Directories of a source, and the errors that name what is in them.

use kilnworks_workflows::failure::FailureType;

use super::tree::{Entry, Kind, Tree};
use crate::error::fail;

/// The directory of a context at a commit.
///
/// # Errors
/// `RevisionNotFound` if the tree has no such directory.
pub fn context_dir(tree: &Tree, path: &str, commit: &str) -> anyhow::Result<Entry> {
    match tree.find(path)? {
        Some(entry) if entry.kind == Kind::Dir => Ok(entry),
        Some(entry) if entry.kind == Kind::Link => {
            let message =
                format!("the context `{path}` is a submodule; fetch it with `submodules: true`");
            Err(fail(FailureType::RevisionNotFound, message))
        }
        found => {
            let what = if found.is_some() { "is not a directory" } else { "does not exist" };
            let seen = some_files(tree, &tree.root());
            let message =
                format!("the context `{path}` {what} at the commit `{commit}`; there are {seen}");
            Err(fail(FailureType::RevisionNotFound, message))
        }
    }
}

/// A few names of a directory, for the text of an error.
pub fn some_files(tree: &Tree, dir: &Entry) -> String {
    let (entries, count) = tree.first(dir, 10).unwrap_or_default();
    let name = |entry: &Entry| {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let slash = if entry.kind == Kind::Dir { "/" } else { "" };
        format!("`{path}{slash}`")
    };
    let names: Vec<_> = entries.iter().map(name).collect();
    match count - names.len() {
        _ if names.is_empty() => "no files".to_owned(),
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
