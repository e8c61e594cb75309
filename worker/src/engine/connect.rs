//! Connects to the engine, once or with retries.

use std::time::Duration;

use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions,
    envconfig::LoadClientConfigProfileOptions, errors::ClientConnectError,
};
use temporalio_common::telemetry::metrics::TemporalMeter;

use super::{
    Engine, namespace,
    refusal::{ConnectError, refused, root_of, unreachable_engine},
};
use crate::output::Error;

/// Timeout of one attempt to connect.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest pause between two attempts of a worker.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Connects, or returns an error. For commands that a person waits for.
pub(crate) async fn once() -> Result<Engine, Error> {
    let (connection, client) = options()?;
    Ok(connect(connection, client).await?)
}

/// Connects and checks the namespace, with retries, so that a worker can start before its engine.
/// Fails at once on errors that waiting cannot fix. `meter` counts the calls of the client.
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
            Err(ConnectError::Permanent(error)) => return Err(error),
            Err(ConnectError::Temporary(error)) => {
                tracing::warn!(
                    "waiting for Temporal, next attempt in {pause:?}: {}",
                    error.one_line()
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Address and credentials, from the same places as every Temporal tool.
fn options() -> Result<(ConnectionOptions, ClientOptions), Error> {
    // The error is not `Send`, so it is converted here.
    let profile = LoadClientConfigProfileOptions::default();
    let (mut connection, client) = ClientOptions::load_from_config(profile).map_err(|error| {
        Error::input(format!("the Temporal client settings are invalid: {error}"))
            .hint("check the TEMPORAL_* variables and `temporal.toml`")
    })?;
    connection.connect_timeout = Some(ATTEMPT_TIMEOUT);
    Ok((connection, client))
}

async fn connect(
    connection: ConnectionOptions,
    client: ClientOptions,
) -> Result<Engine, ConnectError> {
    let address = connection.target.authority().to_owned();
    let namespace = client.namespace.clone();
    let connecting = tokio::time::timeout(ATTEMPT_TIMEOUT, Connection::connect(connection)).await;
    let connected = match connecting {
        Ok(connected) => connected.map_err(|error| classify(error, &address))?,
        Err(_) => {
            return Err(ConnectError::Temporary(unreachable_engine(
                &address,
                "it does not answer",
            )));
        }
    };
    let client = Client::new(connected, client).map_err(|error| {
        ConnectError::Permanent(unreachable_engine(&address, &error.to_string()))
    })?;
    Ok(Engine { client, address, namespace })
}

fn classify(error: ClientConnectError, address: &str) -> ConnectError {
    match error {
        ClientConnectError::SystemInfoCallError(status) => refused(&status, address),
        ClientConnectError::TonicTransportError(error) => {
            ConnectError::Temporary(unreachable_engine(address, &root_of(&error)))
        }
        ClientConnectError::DnsResolutionError { source, .. } => {
            ConnectError::Temporary(unreachable_engine(address, &source.to_string()))
        }
        // Wrong headers, certificates or addresses: waiting does not fix them.
        other => ConnectError::Permanent(unreachable_engine(address, &other.to_string())),
    }
}
