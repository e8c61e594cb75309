//! The HTTP server of the worker: `/metrics`, `/healthz`, `/readyz`.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration, time::Instant};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::health::Health;
use crate::output::Error;

/// Timeout for the request header, and for the metrics of the SDK.
const PATIENCE: Duration = Duration::from_secs(10);

/// The content type of the Prometheus text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The sources of the responses.
pub(crate) struct Sources {
    /// The health of the worker.
    pub(crate) health: Arc<Health>,
    /// Address on which the SDK serves its metrics.
    pub(crate) page: SocketAddr,
}

/// Starts the server and returns its address.
pub(crate) async fn start(address: SocketAddr, sources: Sources) -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listener.map_err(|error| {
        Error::input(format!("`listen`: `{address}` (KILN_LISTEN): {error}"))
            .hint("set an address of this machine with a free port")
    })?;
    // The SDK listens on loopback, so no proxy applies.
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let client = client.map_err(|error| Error::from(anyhow::Error::from(error)))?;
    tokio::spawn(serve(listener, Arc::new(sources), client));
    Ok(address)
}

async fn serve(listener: TcpListener, sources: Arc<Sources>, client: reqwest::Client) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, sources.clone(), client.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Without file descriptors the next call fails at once, too.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, sources: Arc<Sources>, client: reqwest::Client) {
    let service = service_fn(|request: Request<Incoming>| {
        let (sources, client) = (sources.clone(), client.clone());
        async move { Ok::<_, Infallible>(respond(&request, &sources, &client).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a connection failed");
    }
}

async fn respond(
    request: &Request<Incoming>,
    sources: &Sources,
    client: &reqwest::Client,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported\n");
    }
    match request.uri().path() {
        "/healthz" => health(sources.health.live(Instant::now())),
        "/readyz" => health(sources.health.ready()),
        "/metrics" => metrics(sources.page, client).await,
        _ => text(StatusCode::NOT_FOUND, "the paths are /metrics, /healthz and /readyz\n"),
    }
}

fn health(checked: Result<String, String>) -> Response<Full<Bytes>> {
    match checked {
        Ok(lines) => text(StatusCode::OK, lines),
        Err(lines) => text(StatusCode::SERVICE_UNAVAILABLE, lines),
    }
}

async fn metrics(page: SocketAddr, client: &reqwest::Client) -> Response<Full<Bytes>> {
    let fetched = async {
        let page = client.get(format!("http://{page}/metrics")).send().await?;
        page.error_for_status()?.bytes().await
    };
    match fetched.await {
        Ok(page) => with_type(text(StatusCode::OK, page), METRICS),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    with_type(response, "text/plain; charset=utf-8")
}

fn with_type(mut response: Response<Full<Bytes>>, kind: &'static str) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
