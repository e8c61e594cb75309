//! `check_version`: which version a build is to have, and what is published under it already.

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{
    failure::FailureType,
    names,
    plan::Place,
    steps::{VersionInput, Versioned},
};
use semver::{BuildMetadata, Prerelease, Version};

use crate::{
    error::{fail, is},
    package::read,
    registry::RegistryClient,
};

/// Packages that are looked after side by side.
const SIDE_BY_SIDE: usize = 8;

/// Looks up a version, or finds the next one.
pub async fn check_version(
    registry: &RegistryClient,
    input: VersionInput,
) -> anyhow::Result<Versioned> {
    let version = match &input.version {
        Some(version) => version.clone(),
        None => {
            let tags: Vec<_> = stream::iter(input.places.clone())
                .map(|place| tags(registry, place))
                .buffered(SIDE_BY_SIDE)
                .try_concat()
                .await?;
            next(&tags, input.after.as_deref()).to_string()
        }
    };
    let published = stream::iter(input.places)
        .map(|place| published(registry, place, version.clone()))
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    Ok(Versioned { version, published })
}

/// The tags of a package. Of all packages that get a version, none may have a higher one.
async fn tags(registry: &RegistryClient, place: Place) -> anyhow::Result<Vec<String>> {
    let repository = registry.open(&place.repository, &place.registry).await?;
    match repository.tags().await {
        // So do some registries answer for a repository that is not there yet.
        Err(error) if is(&error, FailureType::RegistryDenied) => Ok(Vec::new()),
        tags => tags,
    }
}

/// The package under a version, as `name@sha256:…`. Anything else that has its tag is in the way.
async fn published(
    registry: &RegistryClient,
    place: Place,
    version: String,
) -> anyhow::Result<Option<String>> {
    let repository = registry.open(&place.repository, &place.registry).await?;
    let tag = names::version_tag(&version);
    let found = match repository.manifest(&tag).await {
        // So do some registries answer for a repository that is not there yet.
        Err(error) if is(&error, FailureType::RegistryDenied) => None,
        found => found?,
    };
    let Some(found) = found else { return Ok(None) };
    match read::kind(&found) {
        Ok(_) => Ok(Some(repository.reference(&found.digest))),
        Err(other) => {
            let message = format!("`{}:{tag}` is {other}, not a package", place.repository);
            Err(fail(FailureType::VersionExists, message))
        }
    }
}

/// The highest version of a package; none where it has none.
pub(crate) async fn latest(
    registry: &RegistryClient,
    place: &Place,
) -> anyhow::Result<Option<String>> {
    let repository = registry.open(&place.repository, &place.registry).await?;
    let tags = repository.tags().await?;
    let highest = highest(tags.iter().map(String::as_str));
    Ok(highest.map(|version| version.to_string()))
}

fn highest<'a>(tags: impl Iterator<Item = &'a str>) -> Option<Version> {
    tags.filter_map(of_tag).max_by(Version::cmp_precedence)
}

/// The version after the highest one of the tags, and after another one: its last number raised,
/// or the release of a pre-release. The first one is 0.1.0.
fn next(tags: &[String], after: Option<&str>) -> Version {
    let highest = highest(tags.iter().map(String::as_str).chain(after));
    highest.map_or(Version::new(0, 1, 0), |highest| Version {
        // `of_tag` leaves out what cannot be raised.
        patch: highest.patch + u64::from(highest.pre.is_empty()),
        pre: Prerelease::EMPTY,
        build: BuildMetadata::EMPTY,
        ..highest
    })
}

/// A tag as the version that it was made of.
fn of_tag(tag: &str) -> Option<Version> {
    let version = Version::parse(&tag.replacen('_', "+", 1)).ok()?;
    version.patch.checked_add(1).map(|_| version)
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn a_version_follows_the_highest() {
        for (tags, after, expected) in [
            (&[][..], None, "0.1.0"),
            (&["latest", "kiln-0123", "c0123456789ab"], None, "0.1.0"),
            (&["1.9.0", "1.10.0", "1.2.30"], None, "1.10.1"),
            (&["1.0.0"], Some("1.0.4"), "1.0.5"),
            (&["1.0.9"], Some("1.0.4"), "1.0.10"),
            (&[], Some("0.1.0"), "0.1.1"),
            // Pre-releases are lower than their release, and in the order of their parts.
            (&["2.0.0-rc.1", "1.9.9"], None, "2.0.0"),
            (&["2.0.0-rc.9", "2.0.0"], None, "2.0.1"),
            (&["2.0.0-rc.10", "2.0.0-rc.9"], None, "2.0.0"),
            // Build metadata has no order.
            (&["1.0.0_9", "1.0.0"], None, "1.0.1"),
            (&["1.0", "01.0.0", "v3.0.0"], None, "0.1.0"),
            (&["0.0.18446744073709551615", "0.0.1"], None, "0.0.2"),
        ] {
            let tags: Vec<_> = tags.iter().map(|&tag: &&str| tag.to_owned()).collect();
            assert_eq!(next(&tags, after).to_string(), expected, "{tags:?} {after:?}");
        }
    }
}
