//! The registry client: reads images, and puts images and tags.

mod blobs;
mod helper;
pub mod index;
mod inspect;
mod manifests;
mod meaning;
mod place;
mod reach;
mod referrers;
mod repository;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use anyhow::Context;
use kilnworks_workflows::{names, plan::Registry, steps::Built};
use kube::Client as Cluster;
use oci_client::{Client, Reference, secrets::RegistryAuth};

use self::reach::CredentialSource;
pub use self::{
    blobs::{Body, descriptor},
    inspect::{ours, own_architecture},
    manifests::{MANIFEST_BYTES, Manifest, Parts},
    place::{is_elsewhere, place, place_known},
    reach::Local,
    referrers::{Attachment, EMPTY},
    repository::Repository,
};

/// Registries, with the settings of specs.
pub struct RegistryClient {
    access: CredentialSource,
    /// Clients without credentials and certificate authorities of their own, by whether they speak plain
    /// http. Other clients are created for each use, so that a changed Secret takes effect at once.
    anonymous: Mutex<HashMap<bool, Client>>,
}

impl RegistryClient {
    /// Registries whose Secrets and ConfigMaps are in the build namespace.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        Self::by(CredentialSource::Cluster { client: cluster, namespace: namespace.to_owned() })
    }

    /// Registries with a person's own settings, without a cluster.
    pub fn local(local: Local) -> Self {
        Self::by(CredentialSource::Local(local))
    }

    fn by(access: CredentialSource) -> Self {
        Self { access, anonymous: Mutex::default() }
    }

    /// [`Repository::inspect`] for the image `repository:tag` or `repository@digest`.
    pub async fn inspect(&self, image: &str, how: &Registry) -> anyhow::Result<Option<Built>> {
        let name: Reference =
            image.parse().with_context(|| format!("`{image}` is not an image reference"))?;
        let repository = self.open(&names::repository_of(image), how).await?;
        repository.inspect(name.digest().or(name.tag()).unwrap_or("latest")).await
    }

    /// Opens a repository (`host/path`, without tag and digest). Its credentials are read once, now.
    pub async fn open(&self, repository: &str, how: &Registry) -> anyhow::Result<Repository> {
        let reach = self.access.reach(repository, how).await?;
        let client = match reach.auth != RegistryAuth::Anonymous || reach.ca.is_some() {
            true => Client::new(reach.config()),
            false => {
                let mut clients = self.anonymous.lock().unwrap_or_else(PoisonError::into_inner);
                let client = clients.entry(reach.insecure);
                client.or_insert_with(|| Client::new(reach.config())).clone()
            }
        };
        Repository::open(repository, client, reach.auth)
    }
}
