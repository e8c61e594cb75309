//! Classifies the errors of a registry.

use kilnworks_workflows::failure::FailureType::{self, RegistryDenied, RegistryUnavailable};
use oci_client::errors::{
    OciDistributionError::{self, self as E},
    OciEnvelope, OciErrorCode,
};

/// What an error means for the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The registry does not have it.
    Missing,
    /// The registry refuses, or is down.
    Failed(FailureType),
    /// Neither.
    Unknown,
}

/// What an error of a read means.
pub(super) fn meaning(error: &OciDistributionError) -> Meaning {
    match error {
        E::ImageManifestNotFoundError(_) | E::ServerError { code: 404, .. } => Meaning::Missing,
        E::RegistryError { envelope, .. } => spoken(envelope),
        // The text of a token server's failure. A server that is down uses none of these words.
        E::AuthenticationFailure(said) if !is_refusal(said) => Meaning::Failed(RegistryUnavailable),
        E::UnauthorizedError { .. }
        | E::AuthenticationFailure(_)
        | E::ServerError { code: 401 | 403, .. } => Meaning::Failed(RegistryDenied),
        E::RequestError(error) => match error.status().map(|status| status.as_u16()) {
            Some(404) => Meaning::Missing,
            Some(401 | 403) => Meaning::Failed(RegistryDenied),
            _ => Meaning::Failed(RegistryUnavailable),
        },
        // The bytes do not match their digest, so they were damaged on the way.
        E::ServerError { .. } | E::IoError(_) | E::DigestError(_) => {
            Meaning::Failed(RegistryUnavailable)
        }
        _ => Meaning::Unknown,
    }
}

/// What an error of a write means. Waiting does not help if the registry rejects the content.
pub(super) fn refusal(error: &OciDistributionError) -> Meaning {
    match error {
        E::ServerError { code: 408 | 429, .. } => Meaning::Failed(RegistryUnavailable),
        E::ServerError { code: 400..500, .. } => Meaning::Failed(RegistryDenied),
        error => match meaning(error) {
            Meaning::Missing => Meaning::Failed(RegistryDenied),
            meaning => meaning,
        },
    }
}

fn spoken(envelope: &OciEnvelope) -> Meaning {
    let codes = || envelope.errors.iter().map(|error| &error.code);
    let missing = |code: &OciErrorCode| {
        use OciErrorCode::{BlobUnknown, ManifestUnknown, NameUnknown, NotFound};
        matches!(code, BlobUnknown | ManifestUnknown | NameUnknown | NotFound)
    };
    let denied =
        |code: &OciErrorCode| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied);
    if codes().any(missing) {
        Meaning::Missing
    } else if codes().any(denied) {
        Meaning::Failed(RegistryDenied)
    } else {
        Meaning::Failed(RegistryUnavailable)
    }
}

/// Whether the text of a token server is a refusal. The client does not return its status.
fn is_refusal(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["unauthorized", "denied", "forbidden", "invalid", "incorrect", "401", "403"]
        .iter()
        .any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16) -> OciDistributionError {
        E::ServerError { code, url: String::new(), message: String::new() }
    }

    #[test]
    fn only_waiting_for_what_waiting_mends() {
        for (code, asked, sent) in [
            (400, Meaning::Failed(RegistryUnavailable), Meaning::Failed(RegistryDenied)),
            (401, Meaning::Failed(RegistryDenied), Meaning::Failed(RegistryDenied)),
            (404, Meaning::Missing, Meaning::Failed(RegistryDenied)),
            (413, Meaning::Failed(RegistryUnavailable), Meaning::Failed(RegistryDenied)),
            (429, Meaning::Failed(RegistryUnavailable), Meaning::Failed(RegistryUnavailable)),
            (503, Meaning::Failed(RegistryUnavailable), Meaning::Failed(RegistryUnavailable)),
        ] {
            assert_eq!(meaning(&answer(code)), asked, "asked, {code}");
            assert_eq!(refusal(&answer(code)), sent, "sent, {code}");
        }
    }
}
