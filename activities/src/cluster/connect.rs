//! Connects to the cluster that the environment names.

use std::time::Duration;

use anyhow::Context;
use kube::{Client, Config};

/// Silence after which a call has failed.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// A client of the cluster that the environment names: `KUBECONFIG`, or the Pod's service account.
/// Logs that are followed have other connections: see [`super::streams`].
pub async fn connect() -> anyhow::Result<Client> {
    Client::try_from(config().await?).context("cannot make a client of the cluster")
}

/// The configuration that the environment names. It is read each time, because a token or a
/// certificate may change.
///
/// This also selects the process's TLS provider. The dependencies bring two, and rustls selects
/// neither by itself.
pub(crate) async fn config() -> anyhow::Result<Config> {
    // Another call may have selected it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut config = Config::infer().await.context(
        "cannot find the cluster: set `KUBECONFIG`, or run in it with a service account",
    )?;
    // Without a timeout a step would wait forever on a connection that died silently.
    config.read_timeout = Some(SILENCE);
    Ok(config)
}
