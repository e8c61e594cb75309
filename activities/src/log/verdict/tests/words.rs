//! The failure type of each last line.

use super::*;

#[test]
fn last_words_have_a_type() {
    let reset = "write tcp 10.0.0.1:5->10.0.0.2:443: write: connection reset by peer";
    let cases = [
        // A base image.
        (
            PULL,
            "GET http://localhost:5000/v2/library/nothere/manifests/1: MANIFEST_UNKNOWN: manifest unknown; unknown tag=1",
            BaseImageNotFound,
        ),
        (
            PULL,
            "GET https://r.example/v2/x/manifests/1: NAME_UNKNOWN: repository name not known to registry",
            BaseImageNotFound,
        ),
        (
            PULL,
            "GET https://r.example/v2/x/manifests/1: unexpected status code 404 Not Found: <html>",
            BaseImageNotFound,
        ),
        (
            PULL,
            "GET https://index.docker.io/v2/library/x/manifests/1: UNAUTHORIZED: authentication required; [map[Action:pull]]",
            RegistryDenied,
        ),
        (PULL, "GET https://ghcr.io/token?scope=repository: DENIED: denied", RegistryDenied),
        (
            PULL,
            "GET https://r.example/v2/: unexpected status code 403 Forbidden: no",
            RegistryDenied,
        ),
        (
            PULL,
            "Get \"https://r.example/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
            RegistryDenied,
        ),
        (
            PULL,
            "Get \"https://r.example/v2/\": http: server gave HTTP response to HTTPS client",
            RegistryDenied,
        ),
        (
            PULL,
            "Get \"https://127.0.0.1:1/v2/\": http: server gave HTTP response to HTTPS client; GET http://127.0.0.1:1/v2/: unexpected status code 503 Service Unavailable",
            RegistryUnavailable,
        ),
        (
            PULL,
            "Get \"https://127.0.0.1:1/v2/\": http: server gave HTTP response to HTTPS client; GET http://127.0.0.1:1/v2/: unexpected status code 401 Unauthorized",
            RegistryDenied,
        ),
        (
            PULL,
            "Get \"https://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused; Get \"http://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            RegistryUnavailable,
        ),
        (
            PULL,
            "GET https://index.docker.io/v2/library/x/manifests/1: TOOMANYREQUESTS: You have reached your pull rate limit.",
            RegistryUnavailable,
        ),
        (
            PULL,
            "Get \"https://r.example/v2/\": dial tcp: lookup r.example on 10.96.0.10:53: no such host",
            RegistryUnavailable,
        ),
        (
            PULL,
            "Get \"https://r.example/v2/\": net/http: TLS handshake timeout",
            RegistryUnavailable,
        ),
        (
            STAGE,
            "failed to get filesystem from image: error fetching layer: unexpected EOF",
            RegistryUnavailable,
        ),
        (
            STAGE,
            "failed to execute command: extracting fs from image: read tcp: i/o timeout",
            RegistryUnavailable,
        ),
        // The push, and the check before the build.
        (
            PUSH_CHECK,
            "creating push check transport for localhost:1 failed: Get \"https://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            RegistryUnavailable,
        ),
        (
            PUSH_CHECK,
            "POST https://r.example/v2/a/b/blobs/uploads/: UNAUTHORIZED: authentication required",
            RegistryDenied,
        ),
        (
            PUSH_CHECK,
            "POST https://r.example/v2/a/b/blobs/uploads/: unexpected status code 503 Service Unavailable",
            RegistryUnavailable,
        ),
        (
            PUSH_CHECK,
            "POST https://x.dkr.ecr/v2/a/b/blobs/uploads/: NAME_UNKNOWN: The repository with name 'a/b' does not exist",
            RegistryDenied,
        ),
        (
            PUSH,
            "PUT https://r.example/v2/a/b/manifests/1: DENIED: requested access to the resource is denied",
            RegistryDenied,
        ),
        (
            PUSH,
            "PUT https://r.example/v2/a/b/manifests/1: unexpected status code 500 Internal Server Error: oops",
            RegistryUnavailable,
        ),
        (
            PUSH,
            "PATCH https://r.example/v2/a/b/blobs/uploads/7: unexpected status code 429 Too Many Requests",
            RegistryUnavailable,
        ),
        (PUSH, reset, RegistryUnavailable),
        // The Dockerfile.
        (
            STAGE,
            "failed to execute command: waiting for process to exit: exit status 7",
            BuildFailed,
        ),
        (
            STAGE,
            "failed to execute command: waiting for process to exit: signal: killed",
            BuildFailed,
        ),
        (
            STAGE,
            "failed to execute command: credentials: get uid/gid: user nobodyatall is not a uid and does not exist on the system",
            BuildFailed,
        ),
        (
            STAGE,
            "failed to execute command: starting command: fork/exec /bin/sh: no such file or directory",
            BuildFailed,
        ),
        (
            STAGE,
            "failed to execute command: downloading remote source file: Get \"http://x/\": dial tcp: connect: connection refused",
            BuildFailed,
        ),
        (
            "error building image: ",
            "parsing dockerfile: dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)",
            BuildFailed,
        ),
        (
            "error building image: ",
            "Error finding target stage: nope is not a valid target build stage",
            BuildFailed,
        ),
        (
            "error building image: ",
            "could not save file: copying file: stat /nothere: no such file or directory",
            BuildFailed,
        ),
        ("error building image: ", "could not parse reference: nosuch.invalid/x:1", BuildFailed),
    ];
    for (begin, words, kind) in cases {
        let failure = judge(&format!("{STEPS}{begin}{words}\n"));
        assert_eq!(failure.kind, kind, "{begin}{words}");
    }
}
