//! How to reach a registry: the protocol, the certificate authority, and the credentials.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use k8s_openapi::api::core::v1::ConfigMap;
use kilnworks_workflows::{failure::FailureType, plan::Registry};
use kube::{Api, Client as Cluster};
use oci_client::{
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};

use super::helper;
use crate::{
    error::{classed, fail, is},
    secrets::{
        self,
        registry_auth::{self, host},
    },
};

const CONNECT: Duration = Duration::from_secs(10);

/// Where credentials and certificate authorities come from.
pub(super) enum CredentialSource {
    /// Secrets and ConfigMaps of the build namespace, which the spec's registry settings name.
    Cluster { client: Cluster, namespace: String },
    /// A person's own files.
    Local(Local),
}

/// The registry settings of a person at a command line. The names of Secrets and ConfigMaps in a spec
/// have no meaning there.
#[derive(Clone, Debug, Default)]
pub struct Local {
    /// A Docker configuration file. Without it, registries are asked anonymously.
    pub docker_config: Option<PathBuf>,
    /// A certificate authority to trust besides the system's, as PEM.
    pub ca: Option<PathBuf>,
    /// Plain http. Without an authority, a registry on this machine always gets plain http.
    pub insecure: bool,
}

/// How to reach a registry.
pub(super) struct Reach {
    pub insecure: bool,
    pub ca: Option<Vec<u8>>,
    pub auth: RegistryAuth,
}

impl Reach {
    /// The settings of a client. They have no read timeout: it would start with a request's first byte and
    /// cut off long uploads. The caller sets a timeout per request.
    pub(super) fn config(&self) -> ClientConfig {
        let certificate = |data| Certificate { encoding: CertificateEncoding::Pem, data };
        ClientConfig {
            protocol: if self.insecure { ClientProtocol::Http } else { ClientProtocol::Https },
            extra_root_certificates: self.ca.clone().map(certificate).into_iter().collect(),
            connect_timeout: Some(CONNECT),
            // One request per blob. More registries accept that than many chunks.
            use_monolithic_push: true,
            ..ClientConfig::default()
        }
    }
}

impl CredentialSource {
    /// How the registry of an image is reached.
    pub(super) async fn reach(&self, image: &str, how: &Registry) -> anyhow::Result<Reach> {
        let (client, namespace) = match self {
            Self::Cluster { client, namespace } => (client, namespace),
            Self::Local(local) => return local.reach(image, how),
        };
        let auth = auth(client, namespace, image, how).await;
        if how.host.as_deref().is_some_and(|own| own != host(image)) {
            // The Secret is for the spec's registry, but it may have credentials for this host, too.
            let auth = match auth {
                Err(error) if is(&error, FailureType::RegistryDenied) => RegistryAuth::Anonymous,
                auth => auth?,
            };
            return Ok(Reach { insecure: false, ca: None, auth });
        }
        let auth = auth?;
        Ok(Reach { insecure: how.insecure, ca: ca(client, namespace, how).await?, auth })
    }
}

async fn auth(
    client: &Cluster,
    namespace: &str,
    image: &str,
    how: &Registry,
) -> anyhow::Result<RegistryAuth> {
    let Some(name) = &how.secret else {
        return Ok(RegistryAuth::Anonymous);
    };
    let denied = FailureType::RegistryDenied;
    let secret = secrets::read(client, namespace, name, host(image), denied).await?;
    let config = secrets::text(&secret, ".dockerconfigjson")
        .with_context(|| format!("the Secret `{name}` has no key `.dockerconfigjson`"));
    let auth = config.and_then(|config| {
        registry_auth::auth(&config, image).with_context(|| format!("the Secret `{name}`"))
    });
    auth.map_err(|error| classed(denied, error))
}

async fn ca(client: &Cluster, namespace: &str, how: &Registry) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(ca) = &how.ca else { return Ok(None) };
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
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

impl Local {
    fn reach(&self, image: &str, how: &Registry) -> anyhow::Result<Reach> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let config = self.docker_config.as_ref().map(read).transpose()?;
        let auth = match config {
            None => RegistryAuth::Anonymous,
            Some(config) => helper::ask(&config, host(image))
                .and_then(|kept| kept.map_or_else(|| registry_auth::auth(&config, image), Ok))
                .map_err(|error| classed(FailureType::RegistryDenied, error))?,
        };
        let ca = self.ca.as_ref().map(read).transpose()?.map(String::into_bytes);
        let own = ca.is_none() && is_this_machine(host(image));
        Ok(Reach { insecure: self.insecure || how.insecure || own, ca, auth })
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_speaks_plainly() {
        for (host, plain) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("[::1]:80", true),
            ("localhost.example.com", false),
            ("ghcr.io", false),
        ] {
            let image = format!("{host}/a/b");
            let reach = Local::default().reach(&image, &Registry::default()).unwrap();
            assert_eq!(reach.insecure, plain, "{host}");
        }
    }
}
