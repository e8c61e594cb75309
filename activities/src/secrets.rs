//! Kubernetes Secrets that a spec names, and which hosts they may be used for.
//!
//! Anybody may write a spec. So a worker sends a Secret only to the hosts that the Secret's own
//! annotation `kiln.io/hosts` lists (`host` or `host:port`, separated by commas or spaces).
//! Without this rule a spec could send another user's token to a server of its author.

pub mod redact;
pub mod registry_auth;

use k8s_openapi::api::core::v1::Secret;
use kilnworks_workflows::{failure::FailureType, names};
use kube::{Api, Client, ResourceExt};

use crate::error::fail;

/// Reads a Secret of the build namespace, to use it for a host. `denied` is the failure type of a
/// refusal: `SourceDenied` or `RegistryDenied`.
pub async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
    host: &str,
    denied: FailureType,
) -> anyhow::Result<Secret> {
    let secret = find(client, namespace, name, denied).await?;
    permit(&secret, name, host, denied)?;
    Ok(secret)
}

/// Reads a Secret of the build namespace without checking a host. The caller checks its use.
pub async fn find(
    client: &Client,
    namespace: &str,
    name: &str,
    denied: FailureType,
) -> anyhow::Result<Secret> {
    let secret = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await;
    let secret = match secret {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            let message = format!("there is no Secret `{name}` in namespace `{namespace}`");
            return Err(fail(denied, message));
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let message = format!(
                "the worker may not read the Secret `{name}`, which its Role must name: {}",
                status.message
            );
            return Err(fail(denied, message));
        }
        Err(error) => {
            let message = format!("cannot read the Secret `{name}`: {error}");
            return Err(fail(FailureType::ClusterUnavailable, message));
        }
    };
    redact::learn(&secret);
    Ok(secret)
}

/// Where a step gets Secrets from.
#[derive(Clone)]
pub enum Secrets {
    /// The build namespace of a cluster.
    Cluster {
        /// The cluster.
        client: Client,
        /// The namespace.
        namespace: String,
    },
    /// These Secrets: for tests, and for a worker without a cluster.
    Given(Vec<Secret>),
}

impl Secrets {
    /// Reads a Secret, to use it for a host: see [`read`].
    pub async fn read(
        &self,
        name: &str,
        host: &str,
        denied: FailureType,
    ) -> anyhow::Result<Secret> {
        let given = match self {
            Self::Cluster { client, namespace } => {
                return read(client, namespace, name, host, denied).await;
            }
            Self::Given(given) => given,
        };
        let Some(secret) = given.iter().find(|secret| secret.name_any() == name) else {
            return Err(fail(denied, format!("there is no Secret `{name}`")));
        };
        permit(secret, name, host, denied)?;
        Ok(secret.clone())
    }
}

fn permit(secret: &Secret, name: &str, host: &str, denied: FailureType) -> anyhow::Result<()> {
    if permits(secret, host) {
        return Ok(());
    }
    let hosts = names::label("hosts");
    let allowed = secret.annotations().get(&hosts).map(String::as_str).unwrap_or_default();
    let message = format!(
        "the Secret `{name}` may not be used for `{host}`: its annotation `{hosts}` is `{allowed}`"
    );
    Err(fail(denied, message))
}

/// Whether a Secret may be used for a host.
pub fn permits(secret: &Secret, host: &str) -> bool {
    let allowed = secret.annotations().get(&names::label("hosts"));
    allowed.is_some_and(|allowed| allows(allowed, host))
}

/// A value of a Secret as text.
pub fn text(secret: &Secret, key: &str) -> Option<String> {
    let value = secret.data.as_ref()?.get(key)?;
    String::from_utf8(value.0.clone()).ok()
}

/// Whether a list allows a host. An entry without a port allows every port of its host.
fn allows(list: &str, host: &str) -> bool {
    let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
    list.split([',', ' ', '\n'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| entry == host || entry == without_port)
}

#[cfg(test)]
mod tests {
    use super::allows;

    #[test]
    fn a_host_must_be_listed() {
        for (list, host, expected) in [
            ("git.example.com", "git.example.com", true),
            ("a.example, git.example.com", "git.example.com:8443", true),
            ("git.example.com:8443", "git.example.com:8443", true),
            ("git.example.com:8443", "git.example.com", false),
            ("git.example.com:8443", "git.example.com:9", false),
            ("example.com", "git.example.com", false),
            ("", "git.example.com", false),
        ] {
            assert_eq!(allows(list, host), expected, "{list} for {host}");
        }
    }
}
