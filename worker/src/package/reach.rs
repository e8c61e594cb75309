//! Access to a registry with the user's credentials, and hints for its errors.

use std::path::PathBuf;

use kilnworks_activities::{
    error::failure_of,
    package::read::{self, Package},
    registry::{Local, Manifest, RegistryClient, Repository},
};
use kilnworks_workflows::{failure::FailureType, names, plan::Registry};

use crate::{
    cli::{Ref, RegistryFlags},
    output::{Error, Exit},
};

/// A registry client with these flags and Docker's credentials.
pub(super) fn client(flags: &RegistryFlags) -> Result<RegistryClient, Error> {
    if let Some(ca) = flags.ca.as_ref().filter(|ca| !ca.is_file()) {
        return Err(Error::input("the file does not exist").at(format!("--ca {}", ca.display())));
    }
    let docker_config = docker_config().filter(|path| path.is_file());
    let (ca, insecure) = (flags.ca.clone(), flags.insecure);
    Ok(RegistryClient::local(Local { docker_config, ca, insecure }))
}

fn docker_config() -> Option<PathBuf> {
    let own = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    own.or_else(home).map(|directory| directory.join("config.json"))
}

/// Opens a package.
pub(super) async fn open(package: &Ref) -> Result<Package, Error> {
    let reference = &package.reference;
    check(reference)?;
    let registry = client(&package.registry)?;
    let opened = read::open(&registry, &Registry::default(), reference).await;
    opened.map_err(|error| explain(error, reference))
}

/// The manifest of a reference, of any type, and its repository.
pub(super) async fn manifest(package: &Ref) -> Result<(Repository, Manifest), Error> {
    let reference = &package.reference;
    check(reference)?;
    let name = names::repository_of(reference);
    let repository = repository(&package.registry, &name).await?;
    let rest = reference.strip_prefix(&name).unwrap_or_default();
    // In `name:tag@digest` the digest has precedence.
    let tag = rest.rsplit_once('@').map_or(rest.trim_start_matches(':'), |(_, digest)| digest);
    let found = repository.manifest(tag).await.map_err(|error| explain(error, reference))?;
    match found {
        Some(manifest) => Ok((repository, manifest)),
        None => Err(Error::new(Exit::Failed, "the package does not exist").at(reference)),
    }
}

/// Opens a repository.
pub(super) async fn repository(flags: &RegistryFlags, name: &str) -> Result<Repository, Error> {
    let opened = client(flags)?.open(name, &Registry::default()).await;
    opened.map_err(|error| explain(error, name))
}

/// Checks that a reference has a registry, and a tag or a digest.
fn check(reference: &str) -> Result<(), Error> {
    let (host, rest) = reference.split_once('/').unwrap_or_default();
    let is_host = host.contains(['.', ':']) || host == "localhost";
    match is_host && rest.contains([':', '@']) {
        true => Ok(()),
        false => Err(Error::input(format!("`{reference}` is not a reference of a package"))
            .hint("accepted are `host/name:tag` and `host/name@sha256:…`")),
    }
}

/// The error for a failure, with a hint.
pub(super) fn explain(error: anyhow::Error, at: &str) -> Error {
    let kind = failure_of(&error).map(|failure| failure.kind);
    let ended = Error::new(Exit::Failed, format!("{error:#}")).at(at);
    match kind {
        Some(FailureType::RegistryDenied) => ended.hint(
            "credentials are Docker's, in $DOCKER_CONFIG or ~/.docker: run `docker login` or `crane \
             auth login`",
        ),
        Some(FailureType::RegistryUnavailable) => ended.hint(
            "use `--insecure` for a registry with plain HTTP, and `--ca FILE` for a registry with a \
             private certificate authority",
        ),
        Some(FailureType::VersionExists) => ended.hint("`--force` replaces it"),
        _ => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_reference_has_a_registry_and_a_tag_or_digest() {
        for (reference, good) in [
            ("localhost:5000/team/shop:1.0.0", true),
            ("ghcr.io/shop@sha256:00", true),
            ("localhost/shop:1", true),
            ("shop:1.0.0", false),
            ("team/shop:1.0.0", false),
            ("localhost:5000/team/shop", false),
            ("ghcr.io", false),
            ("", false),
        ] {
            assert_eq!(check(reference).is_ok(), good, "{reference}");
        }
    }
}
