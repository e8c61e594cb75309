//! The registry: what image is under a tag or digest.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use anyhow::Context;
use k8s_openapi::api::core::v1::ConfigMap;
use kilnworks_workflows::{
    failure::FailureType,
    plan::Registry,
    steps::{Built, ResolveInput},
};
use kube::{Api, Client as Cluster};
use oci_client::{
    Client, Reference,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciErrorCode},
    manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest, OciManifest},
    secrets::RegistryAuth,
};
use serde::Deserialize;

use crate::{
    error::{classed, fail, failure_of},
    mounts::host,
    registry_auth, secrets,
};

/// What a manifest may be. Of an index one image is looked at.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(30);

/// Registries, as the specs' registry settings say.
pub struct RegistryClient {
    cluster: Cluster,
    namespace: String,
    /// Clients without credentials and authorities of their own, by whether they speak plain http.
    /// Others are made anew each time, so that a changed Secret counts at once.
    anonymous: Mutex<HashMap<bool, Client>>,
}

impl RegistryClient {
    /// Registries whose Secrets and ConfigMaps lie in the build namespace.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        Self { cluster, namespace: namespace.to_owned(), anonymous: Mutex::default() }
    }

    /// The image `repository:tag` or `repository@digest`; none where the registry has none. Of an
    /// index the digest is its own; size and platform are those of its image for this worker's
    /// architecture, else of its first.
    pub async fn inspect(&self, image: &str, how: &Registry) -> anyhow::Result<Option<Built>> {
        match self.look_up(image, how).await {
            Ok(built) => Ok(Some(built)),
            Err(error) => match error.downcast_ref::<OciDistributionError>().map(meaning) {
                Some(Meaning::Missing) => Ok(None),
                Some(Meaning::Failed(kind)) => Err(fail(kind, format!("{error:#}"))),
                _ => Err(error),
            },
        }
    }

    async fn look_up(&self, image: &str, how: &Registry) -> anyhow::Result<Built> {
        let reference: Reference =
            image.parse().with_context(|| format!("`{image}` is not an image reference"))?;
        let (client, auth) = self.reach(image, how).await?;
        let (manifest, digest) = manifest(&client, &reference, &auth).await?;
        let manifest = match manifest {
            OciManifest::Image(manifest) => manifest,
            OciManifest::ImageIndex(index) => {
                let child = ours(&index.manifests)
                    .with_context(|| format!("the index `{image}` holds no image"))?;
                let child = reference.clone_with_digest(child.digest.clone());
                match self::manifest(&client, &child, &auth).await? {
                    (OciManifest::Image(manifest), _) => manifest,
                    (OciManifest::ImageIndex(_), _) => {
                        anyhow::bail!("`{image}` is an index of indexes")
                    }
                }
            }
        };
        Ok(Built {
            digest,
            size: size(&manifest),
            platform: platform(&client, &reference, &manifest.config).await?,
            pod_seconds: 0.0,
        })
    }

    /// A client for the registry of an image, and who it is there.
    async fn reach(&self, image: &str, how: &Registry) -> anyhow::Result<(Client, RegistryAuth)> {
        let elsewhere = how.host.as_deref().is_some_and(|own| own != host(image));
        if elsewhere {
            // The Secret is for the spec's registry; of another host it may know something, too.
            let auth = match self.auth(image, how).await {
                Err(error) if is_denied(&error) => RegistryAuth::Anonymous,
                auth => auth?,
            };
            return Ok((Client::new(config(false, None)), auth));
        }
        let auth = self.auth(image, how).await?;
        let ca = self.ca(how).await?;
        if auth == RegistryAuth::Anonymous && ca.is_none() {
            let mut clients =
                self.anonymous.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let client = clients.entry(how.insecure);
            let client = client.or_insert_with(|| Client::new(config(how.insecure, None)));
            return Ok((client.clone(), auth));
        }
        Ok((Client::new(config(how.insecure, ca)), auth))
    }

    async fn auth(&self, image: &str, how: &Registry) -> anyhow::Result<RegistryAuth> {
        let Some(name) = &how.secret else {
            return Ok(RegistryAuth::Anonymous);
        };
        let denied = FailureType::RegistryDenied;
        let secret =
            secrets::read(&self.cluster, &self.namespace, name, host(image), denied).await?;
        let config = secrets::text(&secret, ".dockerconfigjson")
            .with_context(|| format!("the Secret `{name}` has no key `.dockerconfigjson`"));
        let auth = config.and_then(|config| {
            registry_auth::auth(&config, image).with_context(|| format!("the Secret `{name}`"))
        });
        auth.map_err(|error| classed(denied, error))
    }

    async fn ca(&self, how: &Registry) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(ca) = &how.ca else { return Ok(None) };
        let maps = Api::<ConfigMap>::namespaced(self.cluster.clone(), &self.namespace);
        let map = maps.get_opt(&ca.config_map).await;
        let map = map.map_err(|error| crate::cluster::unavailable("read a ConfigMap", &error))?;
        let mut data = map.and_then(|map| map.data).unwrap_or_default();
        match data.remove(&ca.key) {
            Some(pem) => Ok(Some(pem.into_bytes())),
            None => Err(fail(
                FailureType::InvalidSpec,
                format!("there is no key `{}` in a ConfigMap `{}`", ca.key, ca.config_map),
            )),
        }
    }
}

fn is_denied(error: &anyhow::Error) -> bool {
    failure_of(error).is_some_and(|failure| failure.kind == FailureType::RegistryDenied)
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

fn config(insecure: bool, ca: Option<Vec<u8>>) -> ClientConfig {
    let certificate = |data| Certificate { encoding: CertificateEncoding::Pem, data };
    ClientConfig {
        protocol: if insecure { ClientProtocol::Http } else { ClientProtocol::Https },
        extra_root_certificates: ca.map(certificate).into_iter().collect(),
        connect_timeout: Some(CONNECT),
        read_timeout: Some(READ),
        ..ClientConfig::default()
    }
}

async fn manifest(
    client: &Client,
    image: &Reference,
    auth: &RegistryAuth,
) -> anyhow::Result<(OciManifest, String)> {
    let pulled = client.pull_manifest_raw(image, auth, &MANIFESTS).await;
    let (bytes, digest) =
        pulled.with_context(|| format!("cannot read the manifest of `{image}`"))?;
    let manifest = serde_json::from_slice(&bytes)
        .with_context(|| format!("the manifest of `{image}` is not one"))?;
    Ok((manifest, digest))
}

/// The image of an index that this machine could run, else its first.
fn ours(entries: &[ImageIndexEntry]) -> Option<&ImageIndexEntry> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let is_ours = |entry: &&ImageIndexEntry| {
        entry.platform.as_ref().is_some_and(|platform| {
            platform.os.to_string() == "linux" && platform.architecture.to_string() == architecture
        })
    };
    entries.iter().find(is_ours).or_else(|| entries.first())
}

/// Config and layers as they are stored.
fn size(manifest: &OciImageManifest) -> u64 {
    let parts = manifest.layers.iter().chain([&manifest.config]);
    parts.map(|part| u64::try_from(part.size).unwrap_or(0)).sum()
}

async fn platform(
    client: &Client,
    image: &Reference,
    config: &OciDescriptor,
) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        os: String,
        #[serde(default)]
        architecture: String,
    }
    let mut bytes = Vec::new();
    let pulled = client.pull_blob(image, config, &mut bytes).await;
    pulled.with_context(|| format!("cannot read the config of `{image}`"))?;
    let config: Config = serde_json::from_slice(&bytes)
        .with_context(|| format!("the config of `{image}` is not one"))?;
    Ok(format!("{}/{}", config.os, config.architecture))
}

enum Meaning {
    Missing,
    Failed(FailureType),
    Unknown,
}

/// Whether a token server's words are a refusal. Its status is not told.
fn is_refusal(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["unauthorized", "denied", "forbidden", "invalid", "incorrect", "401", "403"]
        .iter()
        .any(|word| said.contains(word))
}

/// What a registry's answer means.
fn meaning(error: &OciDistributionError) -> Meaning {
    use FailureType::{RegistryDenied, RegistryUnavailable};
    use OciDistributionError as E;
    match error {
        E::ImageManifestNotFoundError(_) | E::ServerError { code: 404, .. } => Meaning::Missing,
        E::RegistryError { envelope, .. } => {
            let codes = || envelope.errors.iter().map(|error| &error.code);
            let missing = |code: &OciErrorCode| {
                use OciErrorCode::{ManifestUnknown, NameUnknown, NotFound};
                matches!(code, ManifestUnknown | NameUnknown | NotFound)
            };
            let denied = |code: &OciErrorCode| {
                matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied)
            };
            if codes().any(missing) {
                Meaning::Missing
            } else if codes().any(denied) {
                Meaning::Failed(RegistryDenied)
            } else {
                Meaning::Failed(RegistryUnavailable)
            }
        }
        // What a token server said other than success; a sick one says no such word.
        E::AuthenticationFailure(said) if !is_refusal(said) => Meaning::Failed(RegistryUnavailable),
        E::UnauthorizedError { .. }
        | E::AuthenticationFailure(_)
        | E::ServerError { code: 401 | 403, .. } => Meaning::Failed(RegistryDenied),
        E::ServerError { .. } | E::RequestError(_) | E::IoError(_) => {
            Meaning::Failed(RegistryUnavailable)
        }
        _ => Meaning::Unknown,
    }
}
