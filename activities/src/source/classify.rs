//! Classifies errors of libgit2. Only this file knows their classes and texts.

use git2::{Error, ErrorClass, ErrorCode};
use kilnworks_workflows::failure::FailureType;

use crate::error::fail;

/// The failure type of a connection's error. None if the server did not cause the error: the mirror
/// is damaged, or the disk is full.
///
/// The texts are those of libgit2 1.9. Where libgit2 has a code of its own, the code decides.
pub fn classify(error: &Error) -> Option<FailureType> {
    use FailureType::{SourceDenied, SourceNotFound, SourceUnavailable};
    let message = error.message();
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    Some(match (error.class(), error.code()) {
        // Over ssh there is only the server's text: git's, GitHub's, GitLab's.
        (ErrorClass::Net | ErrorClass::Ssh, _)
            if says(&[
                "does not appear to be a git repository",
                "epository not found",
                "could not be found",
            ]) =>
        {
            SourceNotFound
        }
        (_, ErrorCode::Auth | ErrorCode::Certificate) => SourceDenied,
        (_, ErrorCode::Timeout | ErrorCode::User) => SourceUnavailable,
        (ErrorClass::Http, _) => http_status(message),
        // The resolver's text for a name that does not exist, unlike a resolver that is down.
        (ErrorClass::Net, _) if says(&["Name or service not known", "No address associated"]) => {
            SourceNotFound
        }
        // libgit2's text for a missing path of this machine.
        (ErrorClass::Net, _) if says(&["unsupported URL protocol"]) => SourceNotFound,
        // libgit2 does not follow redirects to other hosts: this URL has no repository.
        (ErrorClass::Net, _) if says(&["cannot redirect from"]) => SourceNotFound,
        (ErrorClass::Net | ErrorClass::Ssh | ErrorClass::Ssl, _) => SourceUnavailable,
        // Only for paths of this machine.
        (ErrorClass::Os | ErrorClass::Repository, ErrorCode::NotFound) => SourceNotFound,
        (ErrorClass::Os, _) if says(&["failed to connect"]) => SourceUnavailable,
        _ => return None,
    })
}

fn http_status(message: &str) -> FailureType {
    let status = message.rsplit_once("status code: ").map(|(_, code)| code);
    match status {
        Some("404" | "410") => FailureType::SourceNotFound,
        Some("401" | "403") => FailureType::SourceDenied,
        // The server is not a git server.
        None if message.contains("content-type") => FailureType::SourceNotFound,
        _ => FailureType::SourceUnavailable,
    }
}

/// A connection's error with its failure type, and with the URL in its text. An error without a
/// type is returned unchanged: see [`is_damage`].
pub fn explain(url: &str, error: Error) -> anyhow::Error {
    match classify(&error) {
        Some(kind) => fail(kind, format!("cannot fetch `{url}`: {}", error.message())),
        None => anyhow::Error::new(error).context(format!("cannot fetch `{url}`")),
    }
}

/// Whether an error means that a mirror on this machine is damaged: libgit2 failed, and no server
/// caused that. The caller fetches the mirror again.
pub fn is_damage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Error>())
}

#[cfg(test)]
mod tests {
    use git2::{Error, ErrorClass as Class, ErrorCode as Code};
    use kilnworks_workflows::failure::FailureType::{
        SourceDenied, SourceNotFound, SourceUnavailable,
    };

    use super::{classify, explain, is_damage};

    // Texts of libgit2 1.9 and of servers.
    #[test]
    fn an_error_of_a_server_has_a_public_type() {
        for (class, code, message, expected) in [
            (
                Class::Http,
                Code::GenericError,
                "unexpected http status code: 404",
                Some(SourceNotFound),
            ),
            (
                Class::Http,
                Code::GenericError,
                "unexpected http status code: 403",
                Some(SourceDenied),
            ),
            (
                Class::Http,
                Code::GenericError,
                "unexpected http status code: 429",
                Some(SourceUnavailable),
            ),
            (
                Class::Http,
                Code::GenericError,
                "unexpected http status code: 502",
                Some(SourceUnavailable),
            ),
            (
                Class::Http,
                Code::GenericError,
                "invalid content-type: 'text/html'",
                Some(SourceNotFound),
            ),
            (Class::Http, Code::Auth, "unexpected authentication failure", Some(SourceDenied)),
            (Class::Callback, Code::Auth, "the server refuses the credentials", Some(SourceDenied)),
            (Class::Callback, Code::Certificate, "`known_hosts` lists no key", Some(SourceDenied)),
            (Class::Ssl, Code::Certificate, "the SSL certificate is invalid", Some(SourceDenied)),
            (
                Class::Net,
                Code::GenericError,
                "fatal: '/a.git' does not appear to be a git repository",
                Some(SourceNotFound),
            ),
            (Class::Net, Code::GenericError, "ERROR: Repository not found.", Some(SourceNotFound)),
            (Class::Ssh, Code::Auth, "Failed to authenticate SSH session", Some(SourceDenied)),
            (
                Class::Net,
                Code::GenericError,
                "failed to resolve address for git.example.com: Name or service not known",
                Some(SourceNotFound),
            ),
            (
                Class::Net,
                Code::GenericError,
                "failed to resolve address for git.example.com: Temporary failure in name resolution",
                Some(SourceUnavailable),
            ),
            (
                Class::Net,
                Code::GenericError,
                "cannot redirect from 'a.example' to 'b.example'",
                Some(SourceNotFound),
            ),
            (
                Class::Os,
                Code::GenericError,
                "failed to connect to localhost: Connection refused",
                Some(SourceUnavailable),
            ),
            (
                Class::Net,
                Code::Timeout,
                "could not read from socket: timed out",
                Some(SourceUnavailable),
            ),
            (Class::Odb, Code::NotFound, "object not found", None),
            (Class::Os, Code::GenericError, "failed to write: No space left on device", None),
        ] {
            let error = || Error::new(code, class, message);
            assert_eq!(classify(&error()), expected, "{message}");
            assert_eq!(is_damage(&explain("https://e.com/a", error())), expected.is_none());
        }
    }
}
