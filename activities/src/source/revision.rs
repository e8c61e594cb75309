//! Resolves revisions, and fetches their commits into a mirror.

use anyhow::Context;
use git2::{Error, Oid};
use kilnworks_workflows::failure::FailureType;

use super::{
    classify::{classify, explain},
    mirror::Mirror,
    remote::{Depth, Head, Server},
};
use crate::{error::fail, metrics::metrics};

/// Finds the commit of a revision and fetches it into the mirror. No revision means the server's
/// `HEAD`. A full commit id is that commit. A name is looked up among branches first, then tags.
pub fn resolve(
    mirror: &Mirror,
    server: &Server<'_>,
    revision: Option<&str>,
) -> anyhow::Result<Oid> {
    if let Some(commit) = revision.and_then(full_id) {
        ensure(mirror, server, commit)?;
        return Ok(commit);
    }
    let heads = server.heads(&mirror.repo).map_err(|error| explain(&mirror.address.url, error))?;
    let head = pick(&heads, revision).ok_or_else(|| unknown(mirror, &heads, revision))?;
    let found = match mirror.tree_of(head.id) {
        Ok(Some(_)) => head.id,
        _ => fetch_head(mirror, server, head)?,
    };
    let object = mirror.repo.find_object(found, None).context("cannot read what was fetched")?;
    let commit = object.peel_to_commit().map_err(|_| {
        let name = revision.unwrap_or("HEAD");
        fail(FailureType::RevisionNotFound, format!("`{name}` is not a commit"))
    })?;
    Ok(commit.id())
}

/// Fetches a branch or tag and returns its commit. If it has moved since the listing, this is its new
/// commit.
fn fetch_head(mirror: &Mirror, server: &Server<'_>, head: &Head) -> anyhow::Result<Oid> {
    let _alone = mirror.alone(server.cancel)?;
    let kept = format!("refs/kiln/{}", head.id);
    // A server has no reference for the commit of an annotated tag, only for the tag.
    metrics().lookups(1, false);
    let refspec = format!("+{}:{kept}", head.name.trim_end_matches("^{}"));
    server
        .fetch(&mirror.repo, &[&refspec], Depth::One)
        .map_err(|error| explain(&mirror.address.url, error))?;
    let id = mirror.repo.refname_to_id(&kept).context("cannot read what was fetched")?;
    Ok(id)
}

/// Makes sure that the mirror has a commit. A missing commit is fetched by its id, or, if the server
/// does not serve commits by id, with every branch and tag.
pub fn ensure(mirror: &Mirror, server: &Server<'_>, commit: Oid) -> anyhow::Result<Oid> {
    let found = mirror.tree_of(commit)?;
    metrics().lookups(1, found.is_some());
    if let Some(tree) = found {
        return Ok(tree);
    }
    let _alone = mirror.alone(server.cancel)?;
    if let Some(tree) = mirror.tree_of(commit)? {
        return Ok(tree);
    }
    fetch_commit(mirror, server, commit).map_err(|error| explain(&mirror.address.url, error))?;
    mirror.tree_of(commit)?.ok_or_else(|| {
        let url = &mirror.address.url;
        let message = format!("no branch and no tag of `{url}` leads to the commit `{commit}`");
        fail(FailureType::RevisionNotFound, message)
    })
}

fn fetch_commit(mirror: &Mirror, server: &Server<'_>, commit: Oid) -> Result<(), Error> {
    let by_id = format!("+{commit}:refs/kiln/{commit}");
    let refused = match server.fetch(&mirror.repo, &[&by_id], Depth::One) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    use FailureType::{SourceDenied, SourceNotFound};
    if matches!(classify(&refused), Some(SourceDenied | SourceNotFound))
        || server.cancel.is_cancelled()
    {
        return Err(refused);
    }
    tracing::debug!(url = mirror.address.url, %refused, "fetching all, as the commit cannot be had by its id");
    let all = ["+refs/heads/*:refs/kiln/heads/*", "+refs/tags/*:refs/kiln/tags/*"];
    server.fetch(&mirror.repo, &all, Depth::Full)
}

/// A full commit id: 40 hexadecimal digits.
pub fn full_id(revision: &str) -> Option<Oid> {
    let is_hex = revision.bytes().all(|c| c.is_ascii_hexdigit());
    Oid::from_str(revision).ok().filter(|_| is_hex && revision.len() == 40)
}

fn pick<'a>(heads: &'a [Head], revision: Option<&str>) -> Option<&'a Head> {
    let named = |name: String| heads.iter().find(|head| head.name == name);
    match revision {
        None => named("HEAD".to_owned()),
        Some(name) => named(format!("refs/heads/{name}"))
            .or_else(|| named(format!("refs/tags/{name}^{{}}")))
            .or_else(|| named(format!("refs/tags/{name}"))),
    }
}

fn unknown(mirror: &Mirror, heads: &[Head], revision: Option<&str>) -> anyhow::Error {
    let url = &mirror.address.url;
    let message = match revision {
        None => format!("`{url}` has no `HEAD`: it is empty, or a revision must be given"),
        Some(name) => format!("`{url}` has no branch and no tag `{name}`; it has {}", some(heads)),
    };
    fail(FailureType::RevisionNotFound, message)
}

/// A few names, for the text of an error.
fn some(heads: &[Head]) -> String {
    let short = |head: &Head| {
        let name =
            head.name.strip_prefix("refs/heads/").or(head.name.strip_prefix("refs/tags/"))?;
        (!name.ends_with("^{}")).then(|| format!("`{name}`"))
    };
    let names: Vec<_> = heads.iter().filter_map(short).collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=10 => names.join(", "),
        more => format!("{} and {} more", names[..10].join(", "), more - 10),
    }
}

#[cfg(test)]
mod tests {
    use git2::Oid;

    use super::{Head, full_id, pick, some};

    fn head(name: &str, digit: &str) -> Head {
        Head { name: name.to_owned(), id: Oid::from_str(&digit.repeat(40)).unwrap() }
    }

    #[test]
    fn a_branch_wins_over_a_tag_and_a_tag_is_peeled() {
        let heads = [
            head("HEAD", "1"),
            head("refs/heads/main", "1"),
            head("refs/heads/both", "2"),
            head("refs/tags/both", "3"),
            head("refs/tags/v1", "4"),
            head("refs/tags/v1^{}", "5"),
            head("refs/tags/light", "6"),
        ];
        for (revision, expected) in [
            (None, Some("1")),
            (Some("main"), Some("1")),
            (Some("both"), Some("2")),
            (Some("v1"), Some("5")),
            (Some("light"), Some("6")),
            (Some("mai"), None),
            (Some("refs/heads/main"), None),
        ] {
            let expected = expected.map(|digit| digit.repeat(40));
            let found = pick(&heads, revision).map(|head| head.id.to_string());
            assert_eq!(found, expected, "{revision:?}");
        }
        assert_eq!(some(&heads), "`main`, `both`, `both`, `v1`, `light`");
    }

    #[test]
    fn only_a_full_id_is_an_id() {
        assert!(full_id(&"a1".repeat(20)).is_some());
        for text in ["a1b2c3d", "main", &"g1".repeat(20), &"a1".repeat(32)] {
            assert!(full_id(text).is_none(), "{text}");
        }
    }
}
