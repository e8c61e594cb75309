//! Reaching a registry as this person, and errors with what to do about them.

use std::path::PathBuf;

use kilnworks_activities::{
    error::failure_of,
    package::read::{self, Package},
    registry::{Local, Manifest, RegistryClient, Repository},
};
use kilnworks_workflows::{failure::FailureType, names, plan::Registry};

use crate::{
    cli::{Ref, RegistryFlags},
    end::{Error, Exit},
};

/// Registries as the flags say, with Docker's credentials.
pub(super) fn client(flags: &RegistryFlags) -> Result<RegistryClient, Error> {
    if let Some(ca) = flags.ca.as_ref().filter(|ca| !ca.is_file()) {
        return Err(Error::input("no such file").at(format!("--ca {}", ca.display())));
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

/// The manifest under a reference, whatever it is, and its repository.
pub(super) async fn manifest(package: &Ref) -> Result<(Repository, Manifest), Error> {
    let reference = &package.reference;
    check(reference)?;
    let name = names::repository_of(reference);
    let repository = repository(&package.registry, &name).await?;
    let rest = reference.strip_prefix(&name).unwrap_or_default();
    // Of `name:tag@digest` the digest counts.
    let tag = rest.rsplit_once('@').map_or(rest.trim_start_matches(':'), |(_, digest)| digest);
    let found = repository.manifest(tag).await.map_err(|error| explain(error, reference))?;
    match found {
        Some(manifest) => Ok((repository, manifest)),
        None => Err(Error::new(Exit::Failed, "there is no such package").at(reference)),
    }
}

/// Opens a repository.
pub(super) async fn repository(flags: &RegistryFlags, name: &str) -> Result<Repository, Error> {
    let opened = client(flags)?.open(name, &Registry::default()).await;
    opened.map_err(|error| explain(error, name))
}

/// A reference names its registry, and a tag or a digest.
fn check(reference: &str) -> Result<(), Error> {
    let (host, rest) = reference.split_once('/').unwrap_or_default();
    let is_host = host.contains(['.', ':']) || host == "localhost";
    match is_host && rest.contains([':', '@']) {
        true => Ok(()),
        false => Err(Error::input(format!("`{reference}` is not the reference of a package"))
            .hint("it is `host/name:tag` or `host/name@sha256:…`")),
    }
}

/// What a registry's failure means here, and what to do about it.
pub(super) fn explain(error: anyhow::Error, at: &str) -> Error {
    let kind = failure_of(&error).map(|failure| failure.kind);
    let ended = Error::new(Exit::Failed, format!("{error:#}")).at(at);
    match kind {
        Some(FailureType::RegistryDenied) => ended.hint(
            "credentials are Docker's, in $DOCKER_CONFIG or ~/.docker: `docker login` or `crane \
             auth login` makes them",
        ),
        Some(FailureType::RegistryUnavailable) => ended.hint(
            "`--insecure` is for a registry of plain http, `--ca FILE` for one with an authority \
             of its own",
        ),
        Some(FailureType::VersionExists) => ended.hint("`--force` puts this one in its place"),
        _ => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_reference_names_its_registry_and_more() {
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
