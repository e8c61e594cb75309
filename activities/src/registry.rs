//! The registry: what is in it, and what is put there.

mod blobs;
mod helper;
mod inspect;
mod manifests;
mod meaning;
mod place;
mod platform;
mod reach;
mod referrers;
mod repository;

use std::{collections::HashMap, sync::Mutex, time::Duration};

use kilnworks_workflows::{
    failure::FailureType,
    plan::Registry,
    steps::{Built, ResolveInput},
};
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
    reach::{Access, Reach},
};
use crate::error::fail;

const READ: Duration = Duration::from_secs(30);

/// Registries, as the specs' registry settings say.
pub struct RegistryClient {
    access: Access,
    /// Clients without credentials and authorities of their own. Others are made anew each time,
    /// so that a changed Secret counts at once.
    anonymous: Mutex<HashMap<Kind, Client>>,
}

/// Whether a client speaks plain http, and its limit for a read.
type Kind = (bool, Option<Duration>);

impl RegistryClient {
    /// Registries whose Secrets and ConfigMaps lie in the build namespace.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        Self::by(Access::Cluster { client: cluster, namespace: namespace.to_owned() })
    }

    /// Registries as a person reaches them, without a cluster.
    pub fn local(local: Local) -> Self {
        Self::by(Access::Local(local))
    }

    fn by(access: Access) -> Self {
        Self { access, anonymous: Mutex::default() }
    }

    /// The image `repository:tag` or `repository@digest`; none where the registry has none. Of an
    /// index the digest is its own; size and platform are those of its image for this worker's
    /// architecture, else of its first.
    pub async fn inspect(&self, image: &str, how: &Registry) -> anyhow::Result<Option<Built>> {
        Ok(self.look(image, how).await?.map(|(built, _)| built))
    }

    /// The same, with its manifest.
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

    /// A repository (`host/path`, without tag and digest). Its credentials are read here, once.
    pub async fn open(&self, repository: &str, how: &Registry) -> anyhow::Result<Repository> {
        let (client, auth) = self.client(repository, how, None).await?;
        Repository::open(repository, client, auth)
    }

    /// A client for the registry of an image, and who it is there.
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

/// `resolve_image`: looks up an image that is used as it is.
pub async fn resolve_image(
    registry: &RegistryClient,
    input: ResolveInput,
) -> anyhow::Result<Built> {
    let found = registry.inspect(&input.image, &input.registry).await?;
    found.ok_or_else(|| {
        let message = format!("there is no image `{}`", input.image);
        fail(FailureType::BaseImageNotFound, message)
    })
}
