//! Answers for the worker over http: `/metrics`, `/healthz`, `/readyz`.

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

use crate::{end::Error, health::Health};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// The form of Prometheus' own text.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the answers are made of.
pub(crate) struct Answers {
    /// How the worker is.
    pub(crate) health: Arc<Health>,
    /// Where the SDK serves what was counted.
    pub(crate) page: SocketAddr,
}

/// Listens from now on, and says where.
pub(crate) async fn start(address: SocketAddr, answers: Answers) -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = listener.map_err(|error| {
        Error::input(format!("`listen`: `{address}` (KILN_LISTEN): {error}"))
            .hint("give an address of this machine, and a port that is free")
    })?;
    // The page is next door, whatever proxy the environment names.
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let client = client.map_err(|error| Error::from(anyhow::Error::from(error)))?;
    tokio::spawn(serve(listener, Arc::new(answers), client));
    Ok(address)
}

async fn serve(listener: TcpListener, answers: Arc<Answers>, client: reqwest::Client) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, answers.clone(), client.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Where files have run out, the next one fails at once.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, answers: Arc<Answers>, client: reqwest::Client) {
    let service = service_fn(|request: Request<Incoming>| {
        let (answers, client) = (answers.clone(), client.clone());
        async move { Ok::<_, Infallible>(answer(&request, &answers, &client).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn answer(
    request: &Request<Incoming>,
    answers: &Answers,
    client: &reqwest::Client,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        "/healthz" => verdict(answers.health.live(Instant::now())),
        "/readyz" => verdict(answers.health.ready()),
        "/metrics" => metrics(answers.page, client).await,
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn verdict(said: Result<String, String>) -> Response<Full<Bytes>> {
    match said {
        Ok(said) => text(StatusCode::OK, said),
        Err(said) => text(StatusCode::SERVICE_UNAVAILABLE, said),
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

fn text(status: StatusCode, said: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(said.into()));
    *response.status_mut() = status;
    with_type(response, "text/plain; charset=utf-8")
}

fn with_type(mut response: Response<Full<Bytes>>, kind: &'static str) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
