//! Connections for logs that are followed.
//!
//! Each build that runs has such a stream, and a connection with its TLS state costs a hundred times
//! what a stream does. So they go over HTTP/2, many through one connection, where the API server
//! speaks it; where it does not, each has a connection of its own.

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

use crate::{cluster, seen::SeenPod};

/// How many streams a connection has at most. A server that takes fewer lets the others wait
/// without a word: API servers take 100 and more.
pub const STREAMS: usize = 50;

/// How many bytes of a stream may come before they are read: a node that begins a new file twice
/// while its reader waits for the store loses what lay between. They take memory only meanwhile. A
/// connection has room for those of all its streams, so that a reader that stands still holds up no
/// other.
const WINDOW: u32 = 1024 * 1024;

/// How often a connection with silent streams is tried, and how long it has for an answer. Together
/// less than the silence after which it counts as dead.
const TRIED: Duration = Duration::from_secs(30);
const ANSWERED: Duration = Duration::from_secs(20);

/// Makes a client that has no connection yet.
type Connect = Box<dyn Fn() -> BoxFuture<'static, anyhow::Result<Client>> + Send + Sync>;

/// The connections that streams share. One without a stream is closed.
pub struct Streams {
    connect: Connect,
    clients: Mutex<Vec<Weak<Client>>>,
}

/// A stream's place on a connection, to be held as long as the stream.
pub struct Place(Arc<Client>);

impl Streams {
    /// Connections to the cluster that the environment names.
    pub fn of_environment() -> Self {
        Self::new(|| async { client(&cluster::config().await?) }.boxed())
    }

    /// No connections of its own: streams go where all other calls go.
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

    /// A place for one more stream: on the first connection that has one, else on a new one.
    pub async fn place(&self) -> anyhow::Result<Place> {
        let mut clients = self.clients.lock().await;
        clients.retain(|client| client.strong_count() > 0);
        // Places are only given here, so none is given twice.
        let mut free = clients.iter().filter(|client| client.strong_count() < STREAMS);
        if let Some(client) = free.find_map(Weak::upgrade) {
            return Ok(Place(client));
        }
        let client = Arc::new((self.connect)().await?);
        clients.push(Arc::downgrade(&client));
        Ok(Place(client))
    }
}

impl Place {
    /// The Pods of a namespace, over this connection.
    pub fn pods(&self, namespace: &str) -> Api<SeenPod> {
        Api::namespaced((*self.0).clone(), namespace)
    }
}

/// A client that speaks HTTP/2 where the server does, else HTTP/1.1. It is kube's own in all else
/// but its retries: who follows a log begins anew by himself.
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

/// As kube makes it, and it offers HTTP/2 to the server. A proxy is refused by [`cluster::connect`].
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
