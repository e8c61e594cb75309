//! Compares a package with what its tag has already. A version is published once.

use kilnworks_workflows::failure::FailureType;

use super::{
    contents::Inside,
    layout::{Of, own},
    read,
};
use crate::{
    error::fail,
    registry::{Manifest, Repository},
};

/// The most differing names in a message.
const NAMES: usize = 5;

/// The digest of the package under a tag if it contains the same as the new package; none if the tag
/// does not exist. Anything else under the tag is a `VersionExists`.
pub async fn existing(
    repository: &Repository,
    tag: &str,
    of: &Of,
    inside: &Inside,
) -> anyhow::Result<Option<String>> {
    let Some(there) = repository.manifest(tag).await? else { return Ok(None) };
    match differs(repository, &there, of, inside).await? {
        None => Ok(Some(there.digest)),
        Some(why) => {
            let message = format!("`{}:{tag}` is taken: {why}", repository.name());
            Err(fail(FailureType::VersionExists, message))
        }
    }
}

/// How the published package differs from the new one.
async fn differs(
    repository: &Repository,
    there: &Manifest,
    of: &Of,
    inside: &Inside,
) -> anyhow::Result<Option<String>> {
    let kind = read::kind(there);
    let index = match kind {
        Ok(index) => index,
        Err(other) => return Ok(Some(format!("it is {other}"))),
    };
    let its = Of::read(&index).unwrap_or_default();
    if (&its.app, &its.component) != (&of.app, &of.component) {
        return Ok(Some(format!("it is the package of `{}`", its.title())));
    }
    if own(index.annotations.as_ref(), "contents") == Some(inside.digest()) {
        return Ok(None);
    }
    let package = read::package(repository, there.clone(), index).await?;
    let names = package.inside().differences(inside);
    let more = names.len().saturating_sub(NAMES);
    let mut told = names[..names.len() - more].join(", ");
    if more > 0 {
        told += &format!(" and {more} more");
    }
    Ok(Some(format!("the published package differs in {told}")))
}
