//! Submodules: finds them in `.gitmodules`, and puts their trees in place of the links.

use std::collections::BTreeMap;

use kilnworks_workflows::failure::FailureType;
use tokio_util::sync::CancellationToken;

use super::{
    Reach,
    tree::{Entry, Kind, Tree},
};
use crate::error::{fail, within};

/// The deepest nesting of submodules.
const MAX_DEPTH: usize = 8;

/// The most submodules of a source, nested ones included.
const MAX_SUBMODULES: usize = 256;

const TOO_MANY: &str = "there are too many submodules, or too deep ones";

/// Bytes of the largest `.gitmodules`.
const MAX_GITMODULES: usize = 1024 * 1024;

/// Puts the tree of every submodule below a directory in its place.
pub fn graft(tree: &mut Tree, reach: &Reach<'_>, root: &Entry, depth: usize) -> anyhow::Result<()> {
    let links = links(tree, root, reach.cancel)?;
    if links.is_empty() {
        return Ok(());
    }
    let urls = urls(tree, root)?;
    for link in links {
        let shown = String::from_utf8_lossy(&link.path).into_owned();
        let grafted = graft_one(tree, reach, root, &link, &urls, depth);
        grafted.map_err(|error| within(&format!("submodule `{shown}`"), error))?;
    }
    Ok(())
}

fn graft_one(
    tree: &mut Tree,
    reach: &Reach<'_>,
    root: &Entry,
    link: &Entry,
    urls: &BTreeMap<Vec<u8>, String>,
    depth: usize,
) -> anyhow::Result<()> {
    if depth >= MAX_DEPTH || tree.grafts() >= MAX_SUBMODULES {
        return Err(refused(TOO_MANY));
    }
    let path = match root.path.len() {
        0 => &link.path[..],
        length => &link.path[length + 1..],
    };
    let Some(url) = urls.get(path) else {
        return Err(refused("`.gitmodules` does not say where it is"));
    };
    let address = tree.address_of(root).submodule(url)?;
    let mirror = reach.mirror(&address)?;
    let id = reach.ensure(&mirror, link.id)?;
    let grafted = tree.graft(link.path.clone(), mirror, id);
    graft(tree, reach, &grafted, depth + 1)
}

fn refused(message: &str) -> anyhow::Error {
    fail(FailureType::RevisionNotFound, message)
}

/// The links to submodules in a directory, at any depth.
fn links(tree: &Tree, root: &Entry, cancel: &CancellationToken) -> anyhow::Result<Vec<Entry>> {
    let mut links = Vec::new();
    tree.walk(root, cancel, &mut |entry| {
        if entry.kind == Kind::Link {
            links.push(entry.clone());
        }
        match links.len() > MAX_SUBMODULES {
            true => Err(refused(TOO_MANY)),
            false => Ok(()),
        }
    })?;
    Ok(links)
}

/// URL of each submodule, by its path.
fn urls(tree: &Tree, root: &Entry) -> anyhow::Result<BTreeMap<Vec<u8>, String>> {
    let found = tree.child(root, b".gitmodules")?;
    let Some(file) = found.filter(|entry| matches!(entry.kind, Kind::File { .. })) else {
        return Ok(BTreeMap::new());
    };
    let text = tree.read(&file, MAX_GITMODULES)?.unwrap_or_default();
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// Parses `.gitmodules`, which may be hostile. git's own parser would follow an `include` in it.
fn parse(text: &str) -> BTreeMap<Vec<u8>, String> {
    let mut sections: Vec<(Option<String>, Option<String>)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            sections.push((None, None));
        }
        let (Some((key, value)), Some(section)) = (line.split_once('='), sections.last_mut())
        else {
            continue;
        };
        let value = value.trim().trim_matches('"').to_owned();
        match key.trim() {
            "path" => section.0 = Some(value),
            "url" => section.1 = Some(value),
            _ => {}
        }
    }
    let pair = |(path, url): (Option<String>, Option<String>)| {
        Some((path?.trim_end_matches('/').as_bytes().to_vec(), url?))
    };
    sections.into_iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn gitmodules_is_read() {
        let text = "# mine\n[submodule \"lib\"]\n\tpath = lib/x\n\turl = ../x.git\n\tbranch = main\n\
                    [include]\n\tpath = /etc/passwd\n[submodule \"b\"]\nurl=\"https://e.com/b\"\npath=b/\n";
        let urls = parse(text);
        let url = |path: &str| urls.get(path.as_bytes()).map(String::as_str);
        assert_eq!(url("lib/x"), Some("../x.git"));
        assert_eq!(url("b"), Some("https://e.com/b"));
        assert_eq!(urls.len(), 2);
    }
}
