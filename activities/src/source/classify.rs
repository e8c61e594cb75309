//! What an error of libgit2 means: the one place that knows its classes and texts.

use git2::{Error, ErrorClass, ErrorCode};
use kilnworks_workflows::failure::FailureType;

use crate::error::fail;

/// The public type of an error of a connection. None where the server is not to blame: the mirror
/// is damaged, or the disk full.
///
/// The texts are libgit2 1.9's; where it has an own code for a case, the code decides.
pub fn classify(error: &Error) -> Option<FailureType> {
    use FailureType::{SourceDenied, SourceNotFound, SourceUnavailable};
    let message = error.message();
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    Some(match (error.class(), error.code()) {
        // Over ssh the server's own words are all there is: git's, GitHub's, GitLab's.
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
        // The resolver's own word for a name that does not exist, unlike a resolver that is down.
        (ErrorClass::Net, _) if says(&["Name or service not known", "No address associated"]) => {
            SourceNotFound
        }
        // What libgit2 says of a path of this machine where nothing is.
        (ErrorClass::Net, _) if says(&["unsupported URL protocol"]) => SourceNotFound,
        // A redirect to another host is not followed: there is no repository at this URL.
        (ErrorClass::Net, _) if says(&["cannot redirect from"]) => SourceNotFound,
        (ErrorClass::Net | ErrorClass::Ssh | ErrorClass::Ssl, _) => SourceUnavailable,
        // Only a path of this machine is looked for so.
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
        // Whatever answers there, it is not a git repository.
        None if message.contains("content-type") => FailureType::SourceNotFound,
        _ => FailureType::SourceUnavailable,
    }
}

/// An error of a connection, with its public type and the URL in its text. One without a type
/// stays what it is: see [`is_damage`].
pub fn explain(url: &str, error: Error) -> anyhow::Error {
    match classify(&error) {
        Some(kind) => fail(kind, format!("cannot fetch `{url}`: {}", error.message())),
        None => anyhow::Error::new(error).context(format!("cannot fetch `{url}`")),
    }
}

/// Whether an error says that a mirror on this machine is damaged: libgit2 failed, and no server
/// is to blame. A mirror is a cache: it is fetched anew.
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

    // Texts as libgit2 1.9 and the servers behind it have them.
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
