//! Connections for logs that are followed.
//!
//! Each running build has a log stream. A connection with its TLS state costs a hundred times as much
//! as a stream, so many streams share one HTTP/2 connection. If the API server does not support
//! HTTP/2, each stream has its own connection.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Api, Client, Config,
    client::{Body, ClientBuilder, ConfigExt},
};
use tokio::sync::Mutex;
use tower::{BoxError, ServiceBuilder};

use crate::pod::seen::SeenPod;

/// The most streams per connection. A server with a lower limit silently delays further streams; API
/// servers allow at least 100.
pub const STREAMS: usize = 50;

/// Bytes of a stream that may arrive before they are read. A node that rotates a log twice while its
/// reader waits for the store loses what is between. The bytes take memory only while they wait. The
/// connection's window has room for all its streams, so a slow reader delays no other stream.
const WINDOW: u32 = 1024 * 1024;

/// How often a connection with silent streams is pinged, and how long the server has to answer.
/// Together less than the silence after which a connection counts as dead.
const TRIED: Duration = Duration::from_secs(30);
const ANSWERED: Duration = Duration::from_secs(20);

/// Creates a client without a connection.
type Connect = Box<dyn Fn() -> BoxFuture<'static, anyhow::Result<Client>> + Send + Sync>;

/// The connections that streams share. A connection without streams is closed.
pub struct Streams {
    connect: Connect,
    clients: Mutex<Vec<Weak<Client>>>,
}

/// A stream's place on a connection. The caller keeps it as long as the stream.
pub struct SharedConnection(Arc<Client>);

impl Streams {
    /// Connections to the cluster that the environment names.
    pub fn of_environment() -> Self {
        Self::new(|| async { client(&super::config().await?) }.boxed())
    }

    /// Streams share this client's connections with all other calls.
    pub fn through(client: Client) -> Self {
        Self::new(move || {
            let client = client.clone();
            async { Ok(client) }.boxed()
        })
    }

    fn new(
        connect: impl Fn() -> BoxFuture<'static, anyhow::Result<Client>> + Send + Sync + 'static,
    ) -> Self {
        Self { connect: Box::new(connect), clients: Mutex::default() }
    }

    /// A place for one more stream: on the first connection with room, else on a new connection.
    pub async fn connection(&self) -> anyhow::Result<SharedConnection> {
        let mut clients = self.clients.lock().await;
        clients.retain(|client| client.strong_count() > 0);
        // The lock is held, so no two callers get the same place.
        let mut free = clients.iter().filter(|client| client.strong_count() < STREAMS);
        if let Some(client) = free.find_map(Weak::upgrade) {
            return Ok(SharedConnection(client));
        }
        let client = Arc::new((self.connect)().await?);
        clients.push(Arc::downgrade(&client));
        Ok(SharedConnection(client))
    }
}

impl SharedConnection {
    /// The Pods of a namespace, through this connection.
    pub fn pods(&self, namespace: &str) -> Api<SeenPod> {
        Api::namespaced((*self.0).clone(), namespace)
    }
}

/// A client that speaks HTTP/2 if the server does, else HTTP/1.1. Otherwise it is like kube's client,
/// but without retries, because whoever follows a log opens it again anyway.
fn client(config: &Config) -> anyhow::Result<Client> {
    let mut connector = TimeoutConnector::new(https(config)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    let http: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_initial_stream_window_size(WINDOW)
        .http2_initial_connection_window_size(WINDOW * STREAMS as u32)
        .http2_keep_alive_interval(TRIED)
        .http2_keep_alive_timeout(ANSWERED)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(service, &config.default_namespace).build())
}

/// As kube does, and it also offers HTTP/2. [`super::connect`] has refused proxies before.
fn https(config: &Config) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let builder = HttpsConnectorBuilder::new();
    let mut builder = builder.with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = FixedServerNameResolver::new(name.clone().try_into()?);
        builder = builder.with_server_name_resolver(name);
    }
    Ok(builder.enable_all_versions().build())
}

#[cfg(test)]
mod tests;
