//! Failures of the container that fetches the context.

use super::*;

/// A Pod whose context was fetched, or not, by another container than its executor.
fn fetched(exit_code: i32, reason: &str, message: &str) -> SeenPod {
    let end = json!({"exitCode": exit_code, "reason": reason, "message": message});
    pod(json!({
        "phase": "Failed",
        "initContainerStatuses": [{"name": "fetch-context", "state": {"terminated": end},
            "image": "", "imageID": "", "ready": false, "restartCount": 0}],
        "containerStatuses": [{"name": "executor", "state": {"waiting": {"reason": "PodInitializing"}},
            "image": "", "imageID": "", "ready": false, "restartCount": 0}],
    }))
}

#[test]
fn a_context_that_does_not_arrive_has_its_words() {
    let logged = "2026-11-22T13:39:56Z  WARN the next try is in 16s: away\n\
                  error: the store answers 403 Forbidden (AccessDenied); the address has expired\n";
    for (exit_code, reason, message, kind, words) in [
        (
            1,
            "Error",
            logged,
            StoreUnavailable,
            "the context could not be fetched: the store answers 403 Forbidden (AccessDenied); \
             the address has expired",
        ),
        (2, "Error", "", StoreUnavailable, "the context could not be fetched: exit code 2"),
        (
            137,
            "OOMKilled",
            "",
            OutOfMemory,
            "fetching the context needs more memory: exit code 137",
        ),
        (
            128,
            "StartError",
            "exec: \"kiln\": not found",
            ImagePullFailed,
            "what fetches the context did not start: exec: \"kiln\": not found",
        ),
        // It has done its part.
        (0, "Completed", "", ImagePullFailed, "the Pod ended before its executor began"),
    ] {
        let failure = verdict(&fetched(exit_code, reason, message), &Log::default(), DOCKERFILE);
        assert_eq!((failure.kind, failure.message.as_str()), (kind, words));
    }
}
