//! `check_version`: which version a build is to have, and what is published under it already.

use kilnworks_workflows::{
    failure::FailureType,
    names,
    steps::{VersionInput, Versioned},
};

use crate::{error::fail, registry::RegistryClient};

/// Looks up a version.
pub async fn check_version(
    registry: &RegistryClient,
    input: VersionInput,
) -> anyhow::Result<Versioned> {
    let Some(version) = input.version else {
        return Err(fail(FailureType::Internal, "no version is found yet"));
    };
    let mut published = Vec::new();
    for place in &input.places {
        let tagged = format!("{}:{}", place.repository, names::version_tag(&version));
        let found = registry.inspect(&tagged, &place.registry).await?;
        published.push(found.map(|found| names::reference(&place.repository, &found.digest)));
    }
    Ok(Versioned { version, published })
}
