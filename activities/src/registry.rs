//! The registry client: reads images, and puts images and tags.

mod blobs;
mod helper;
pub mod index;
mod inspect;
mod manifests;
mod meaning;
mod place;
mod platform;
mod reach;
mod referrers;
mod repository;

use std::{collections::HashMap, sync::Mutex, time::Duration};

use kilnworks_workflows::{plan::Registry, steps::Built};
use kube::Client as Cluster;
use oci_client::{Client, errors::OciDistributionError, secrets::RegistryAuth};

pub use self::{
    blobs::{Body, descriptor},
    inspect::ours,
    manifests::{MANIFEST_BYTES, Manifest, Parts},
    place::{is_elsewhere, place, place_known, place_new},
    reach::Local,
    referrers::{Attachment, EMPTY},
    repository::Repository,
};
use self::{
    meaning::{Meaning, meaning},
    reach::{CredentialSource, Reach},
};
use crate::error::fail;

const READ: Duration = Duration::from_secs(30);

/// Registries, with the settings of specs.
pub struct RegistryClient {
    access: CredentialSource,
    /// Clients without credentials and certificate authorities of their own. Other clients are created
    /// for each use, so that a changed Secret takes effect at once.
    anonymous: Mutex<HashMap<Kind, Client>>,
}

/// Whether a client speaks plain http, and its read timeout.
type Kind = (bool, Option<Duration>);

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

    /// The image `repository:tag` or `repository@digest`; none if the registry does not have it. For an
    /// index, the digest is the index's own. Size and platform are those of its image for this worker's
    /// architecture, or else of its first image.
    pub async fn inspect(&self, image: &str, how: &Registry) -> anyhow::Result<Option<Built>> {
        Ok(self.look(image, how).await?.map(|(built, _)| built))
    }

    /// Same as [`Self::inspect`], with the manifest.
    pub async fn look(
        &self,
        image: &str,
        how: &Registry,
    ) -> anyhow::Result<Option<(Built, Manifest)>> {
        let looked = async {
            let (client, auth) = self.client(image, how, Some(READ)).await?;
            inspect::look_up(&client, &auth, image).await
        };
        match looked.await {
            Ok(found) => Ok(Some(found)),
            Err(error) => match error.downcast_ref::<OciDistributionError>().map(meaning) {
                Some(Meaning::Missing) => Ok(None),
                Some(Meaning::Failed(kind)) => Err(fail(kind, format!("{error:#}"))),
                _ => Err(error),
            },
        }
    }

    /// Opens a repository (`host/path`, without tag and digest). Its credentials are read once, now.
    pub async fn open(&self, repository: &str, how: &Registry) -> anyhow::Result<Repository> {
        let (client, auth) = self.client(repository, how, None).await?;
        Repository::open(repository, client, auth)
    }

    /// A client for the registry of an image, and its credentials.
    async fn client(
        &self,
        image: &str,
        how: &Registry,
        read: Option<Duration>,
    ) -> anyhow::Result<(Client, RegistryAuth)> {
        let reach = self.access.reach(image, how).await?;
        if reach.auth != RegistryAuth::Anonymous || reach.ca.is_some() {
            return Ok((Client::new(reach.config(read)), reach.auth));
        }
        Ok((self.anonymous(&reach, read), reach.auth))
    }

    fn anonymous(&self, reach: &Reach, read: Option<Duration>) -> Client {
        let mut clients = self.anonymous.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let client = clients.entry((reach.insecure, read));
        client.or_insert_with(|| Client::new(reach.config(read))).clone()
    }
}
