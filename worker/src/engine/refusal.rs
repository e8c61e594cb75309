//! Why a call to the engine failed, and whether a retry can succeed.

use temporalio_client::tonic::{Code, Status};

use crate::output::{Error, Exit};

/// Why a call to the engine failed.
pub(crate) enum ConnectError {
    /// A retry can succeed.
    Temporary(Error),
    /// A person must fix the cause.
    Permanent(Error),
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Temporary(error) | ConnectError::Permanent(error) => error,
        }
    }
}

/// The error for a failed call.
pub(crate) fn refused(status: &Status, address: &str) -> ConnectError {
    let error = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            Error::new(Exit::NoEngine, format!("Temporal refuses the call: {}", status.message()))
                .at(address)
                .hint("check TEMPORAL_API_KEY, or TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH")
        }
        _ => unreachable_engine(address, &message_of(status)),
    };
    match is_temporary(status) {
        true => ConnectError::Temporary(error),
        false => ConnectError::Permanent(error),
    }
}

/// Whether a retry of the call can succeed.
pub(crate) fn is_temporary(status: &Status) -> bool {
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

pub(super) fn unreachable_engine(address: &str, why: &str) -> Error {
    Error::new(Exit::NoEngine, format!("cannot reach Temporal: {why}"))
        .at(address)
        .hint("set TEMPORAL_ADDRESS to a running Temporal server")
}

/// The message with the root cause. The message alone may be only "transport error".
fn message_of(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => format!("{}: {}", status.message(), root_of(source)),
        None => status.message().to_owned(),
    }
}

pub(super) fn root_of(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use temporalio_client::tonic::Status;

    use super::{ConnectError, refused};

    #[test]
    fn an_absent_server_is_temporary_and_a_wrong_credential_is_permanent() {
        let down = refused(&Status::unavailable("no"), "a:1");
        assert!(matches!(down, ConnectError::Temporary(_)));
        let denied = refused(&Status::permission_denied("no"), "a:1");
        assert!(matches!(denied, ConnectError::Permanent(_)));
    }
}
