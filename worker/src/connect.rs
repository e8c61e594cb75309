//! The way to the engine: where it is, what it refuses, when to wait for it.

use std::time::Duration;

use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions,
    envconfig::LoadClientConfigProfileOptions,
    errors::ClientConnectError,
    tonic::{Code, Status},
};
use temporalio_common::telemetry::metrics::TemporalMeter;
use url::Url;

use crate::{
    end::{Error, Exit},
    namespace,
};

/// How long one try to connect may take.
const ONE_TRY: Duration = Duration::from_secs(10);

/// The longest pause between two tries of a worker.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The engine, connected.
pub(crate) struct Engine {
    /// A client of the namespace.
    pub(crate) client: Client,
    /// Its address, for messages.
    pub(crate) address: String,
    /// The Temporal namespace.
    pub(crate) namespace: String,
}

impl Engine {
    /// Where the engine's UI shows a build, where someone said where the UI is.
    pub(crate) fn page(&self, ui: Option<&Url>, id: &str) -> Option<String> {
        page(ui?, &self.namespace, "workflows", id)
    }

    /// Where it shows a schedule.
    pub(crate) fn schedule_page(&self, ui: Option<&Url>, name: &str) -> Option<String> {
        page(ui?, &self.namespace, "schedules", name)
    }
}

fn page(ui: &Url, namespace: &str, kind: &str, id: &str) -> Option<String> {
    let mut page = ui.clone();
    let mut segments = page.path_segments_mut().ok()?;
    segments.pop_if_empty().extend(["namespaces", namespace, kind, id]);
    drop(segments);
    Some(page.into())
}

/// Why there is no connection.
pub(crate) enum Trouble {
    /// Waiting may mend it.
    Wait(Error),
    /// It must be mended by someone.
    End(Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Wait(error) | Trouble::End(error) => error,
        }
    }
}

/// Connects, or says why not. For commands that someone waits for.
pub(crate) async fn once() -> Result<Engine, Error> {
    let (connection, client) = options()?;
    Ok(connect(connection, client).await?)
}

/// Connects and looks whether the namespace is ready, for as long as that takes: a worker that
/// starts before its engine must not need someone to start it again. What no waiting mends ends it.
/// Its calls are counted into the meter.
pub(crate) async fn patiently(meter: Option<TemporalMeter>) -> Result<Engine, Error> {
    let (mut connection, client) = options()?;
    connection.metrics_meter = meter;
    let mut pause = Duration::from_secs(1);
    loop {
        let ready = async {
            let engine = connect(connection.clone(), client.clone()).await?;
            namespace::check(&engine).await?;
            Ok(engine)
        };
        match ready.await {
            Ok(engine) => return Ok(engine),
            Err(Trouble::End(error)) => return Err(error),
            Err(Trouble::Wait(error)) => {
                tracing::warn!(
                    "waiting for the engine, next try in {pause:?}: {}",
                    error.one_line()
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The engine's address and credentials, where every Temporal tool finds them.
fn options() -> Result<(ConnectionOptions, ClientOptions), Error> {
    // This error cannot cross threads, so it becomes ours at once.
    let profile = LoadClientConfigProfileOptions::default();
    let (mut connection, client) = ClientOptions::load_from_config(profile).map_err(|error| {
        Error::input(format!("the settings of the engine are wrong: {error}"))
            .hint("see the TEMPORAL_* variables, and `temporal.toml`")
    })?;
    connection.connect_timeout = Some(ONE_TRY);
    Ok((connection, client))
}

async fn connect(connection: ConnectionOptions, client: ClientOptions) -> Result<Engine, Trouble> {
    let address = connection.target.authority().to_owned();
    let namespace = client.namespace.clone();
    let connecting = tokio::time::timeout(ONE_TRY, Connection::connect(connection)).await;
    let connected = match connecting {
        Ok(connected) => connected.map_err(|error| trouble(error, &address))?,
        Err(_) => {
            return Err(Trouble::Wait(unreachable_engine(&address, "it does not answer")));
        }
    };
    let client = Client::new(connected, client)
        .map_err(|error| Trouble::End(unreachable_engine(&address, &error.to_string())))?;
    Ok(Engine { client, address, namespace })
}

fn trouble(error: ClientConnectError, address: &str) -> Trouble {
    match error {
        ClientConnectError::SystemInfoCallError(status) => refused(&status, address),
        ClientConnectError::TonicTransportError(error) => {
            Trouble::Wait(unreachable_engine(address, &root_of(&error)))
        }
        ClientConnectError::DnsResolutionError { source, .. } => {
            Trouble::Wait(unreachable_engine(address, &source.to_string()))
        }
        // Headers, certificates, the address: no waiting mends them.
        other => Trouble::End(unreachable_engine(address, &other.to_string())),
    }
}

/// What a refusal of the engine means for whoever asked.
pub(crate) fn refused(status: &Status, address: &str) -> Trouble {
    let error = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            Error::new(Exit::NoEngine, format!("the engine refuses: {}", status.message()))
                .at(address)
                .hint("check TEMPORAL_API_KEY, or TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH")
        }
        _ => unreachable_engine(address, &said(status)),
    };
    match waiting_mends(status) {
        true => Trouble::Wait(error),
        false => Trouble::End(error),
    }
}

/// Whether the same call may succeed after a while.
pub(crate) fn waiting_mends(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::Aborted
    )
}

fn unreachable_engine(address: &str, why: &str) -> Error {
    Error::new(Exit::NoEngine, format!("cannot reach the engine: {why}"))
        .at(address)
        .hint("set TEMPORAL_ADDRESS to a Temporal server that runs")
}

/// What a status says, its deepest cause last: the message alone may be just "transport error".
fn said(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => format!("{}: {}", status.message(), root_of(source)),
        None => status.message().to_owned(),
    }
}

fn root_of(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use temporalio_client::tonic::Status;

    use super::{Trouble, page, refused};

    #[test]
    fn a_build_has_one_page() {
        for ui in ["http://ui:8233", "http://ui:8233/"] {
            let page = page(&ui.parse().unwrap(), "default", "workflows", "shop-1.0/web").unwrap();
            assert_eq!(page, "http://ui:8233/namespaces/default/workflows/shop-1.0%2Fweb");
        }
    }

    #[test]
    fn a_worker_waits_for_a_server_but_not_for_a_credential() {
        let down = refused(&Status::unavailable("no"), "a:1");
        assert!(matches!(down, Trouble::Wait(_)));
        let denied = refused(&Status::permission_denied("no"), "a:1");
        assert!(matches!(denied, Trouble::End(_)));
    }
}
