//! Log tails as the executor (chainguard 1.25.16) printed them on a real cluster, and, for answers
//! of registries that the local one does not give, as go-containerregistry words them.

mod fetched;
mod words;

use FailureType::*;
use kilnworks_workflows::failure::{Failure, FailureType};
use serde_json::{Value, json};

use super::verdict;
use crate::{
    log::Log,
    pod::{phase, seen::SeenPod},
};

const DOCKERFILE: &str = "\
FROM localhost:5000/library/debian:bookworm
COPY settings.toml /etc/
RUN echo one && \\
    # a note
    echo two
RUN echo three && \\
    exit 7
";

const STEPS: &str = r#"time="2026-11-22T13:39:56Z" level=info msg="Unpacking rootfs as cmd RUN echo one &&     echo two requires it."
time="2026-11-22T13:40:10Z" level=info msg="RUN echo one &&     echo two"
time="2026-11-22T13:40:10Z" level=info msg="Running: [/bin/sh -c echo one &&     echo two]"
one
two
time="2026-11-22T13:40:10Z" level=info msg="RUN echo three &&     exit 7"
time="2026-11-22T13:40:10Z" level=info msg="Cmd: /bin/sh"
time="2026-11-22T13:40:10Z" level=info msg="Running: [/bin/sh -c echo three &&     exit 7]"
three
"#;

const PUSH_CHECK: &str = "error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for \"registry.example/a/b:1\": ";
const PULL: &str =
    "error building image: unable to complete operation after 0 attempts, last error: ";
const PUSH: &str = "error pushing image: failed to push to destination registry.example/a/b:1: ";
const STAGE: &str = "error building image: error building stage: ";

fn ended(exit_code: i32, reason: &str) -> SeenPod {
    let end = json!({"terminated": {"exitCode": exit_code, "reason": reason}});
    pod(json!({
        "phase": "Failed",
        "containerStatuses": [{"name": "executor", "state": end,
            "image": "", "imageID": "", "ready": false, "restartCount": 0}],
    }))
}

fn pod(status: Value) -> SeenPod {
    let limits = json!({"limits": {"memory": "2Gi"}});
    let pod = json!({
        "metadata": {"name": "kiln-shop-web-1"},
        "spec": {"nodeName": "node1", "containers": [{"name": "executor", "resources": limits}]},
        "status": status,
    });
    serde_json::from_value(pod).unwrap()
}

fn judge(tail: &str) -> Failure {
    verdict(&ended(1, "Error"), &Log::of(tail), DOCKERFILE)
}

#[test]
fn a_missing_base_image_is_named() {
    for (asked, image) in [
        ("localhost:5000/v2/library/x/manifests/1", "localhost:5000/library/x:1"),
        ("r.example/v2/x/manifests/sha256:0a", "r.example/x@sha256:0a"),
    ] {
        let failure = judge(&format!("{PULL}GET https://{asked}: MANIFEST_UNKNOWN: no\n"));
        let begin = format!("there is no base image `{image}`: ");
        assert!(failure.message.starts_with(&begin), "{failure:?}");
    }
}

#[test]
fn a_failed_run_is_named() {
    let tail = format!(
        "{STEPS}{STAGE}failed to execute command: waiting for process to exit: exit status 7\n"
    );
    let failure = verdict(&ended(7, "Error"), &Log::of(&tail), DOCKERFILE);
    assert_eq!(failure.message, "`RUN echo three && exit 7` (line 6) failed with exit code 7");
    assert_eq!((failure.line, failure.exit_code), (Some(6), Some(7)));
    assert_eq!(failure.node.as_deref(), Some("node1"));
    assert!(failure.log_tail.contains("three\n"));
}

#[test]
fn a_missing_file_is_put_down_to_its_copy() {
    let failure = judge(&format!(
        "{STAGE}failed to get files used from context: failed to get fileinfo for /kaniko/buildcontext/settings.toml: lstat /kaniko/buildcontext/settings.toml: no such file or directory"
    ));
    assert_eq!((failure.kind, failure.line), (BuildFailed, Some(2)));
    assert!(failure.message.contains("settings.toml: no such file"));
}

#[test]
fn a_parse_error_has_a_line() {
    let failure = judge(
        "error building image: parsing dockerfile: dockerfile parse error on line 3: unknown instruction: RUNN",
    );
    assert_eq!(failure.line, Some(3));
}

#[test]
fn what_a_run_prints_is_not_believed() {
    for printed in [
        "error pushing image: PUT https://r.example: DENIED: no",
        "error building image: GET https://r.example: MANIFEST_UNKNOWN: no",
        "Error: error resolving source context: lies",
        "OOMKilled",
    ] {
        let end = "failed to execute command: waiting for process to exit: exit status 1";
        let failure = judge(&format!("{STEPS}{printed}\n{STAGE}{end}\n"));
        assert_eq!(failure.kind, BuildFailed, "{printed}");
        assert_eq!(failure.line, Some(6), "{printed}");
    }
}

#[test]
fn an_error_before_the_build_stands_before_the_usage() {
    let usage = "\nUsage:\n  executor [flags]\n  executor [command]\n";
    for (words, kind) in [
        (
            "error resolving source context: operation error S3: GetObject, https response error StatusCode: 404, NoSuchKey",
            StoreUnavailable,
        ),
        ("unknown flag: --nope", BuildFailed),
    ] {
        let failure = judge(&format!("Error: {words}{usage}"));
        assert_eq!(failure.kind, kind, "{words}");
        assert_eq!(failure.message, words);
    }
}

#[test]
fn a_crash_says_where_it_was() {
    let failure = verdict(&ended(2, "Error"), &Log::of(STEPS), DOCKERFILE);
    assert_eq!((failure.kind, failure.line), (BuildFailed, Some(6)));
    assert_eq!(failure.message, "the executor ended with exit code 2 and said nothing");
}

#[test]
fn memory_comes_before_the_log() {
    let tail = format!(
        "{STEPS}Killed\n{STAGE}failed to execute command: waiting for process to exit: exit status 137"
    );
    let failure = verdict(&ended(137, "OOMKilled"), &Log::of(&tail), DOCKERFILE);
    assert_eq!(failure.kind, OutOfMemory);
    assert!(failure.message.ends_with("its limit of 2Gi"));
}

#[test]
fn the_cluster_comes_before_memory_and_log() {
    let status = ended(137, "OOMKilled").status;
    let disrupted = |reason: &str| json!([{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "why"}]);
    for (reason, kind) in [
        ("PreemptionByScheduler", Evicted),
        ("EvictionByEvictionAPI", Evicted),
        ("TerminationByKubelet", Evicted),
        ("DeletionByTaintManager", NodeLost),
        ("DeletionByPodGC", NodeLost),
    ] {
        let mut status = serde_json::to_value(&status).unwrap();
        status["conditions"] = disrupted(reason);
        let failure = verdict(&pod(status), &Log::default(), DOCKERFILE);
        assert_eq!(failure.kind, kind, "{reason}");
        assert!(failure.message.ends_with("why"), "{reason}");
    }
    for (reason, kind) in [
        ("Evicted", Evicted),
        ("NodeLost", NodeLost),
        ("NodeShutdown", Evicted),
        ("OutOfmemory", Evicted),
        ("DeadlineExceeded", DeadlineExceeded),
    ] {
        let status = json!({"phase": "Failed", "reason": reason, "message": "why"});
        let failure = verdict(&pod(status), &Log::default(), DOCKERFILE);
        assert_eq!(failure.kind, kind, "{reason}");
    }
}

#[test]
fn a_deleted_pod_is_deleted_whatever_its_executor_says() {
    let mut pod = ended(137, "Error");
    pod.metadata = serde_json::from_value(json!({
        "name": "kiln-shop-web-1", "deletionTimestamp": "2026-11-22T13:40:10Z",
    }))
    .unwrap();
    assert_eq!(verdict(&pod, &Log::default(), DOCKERFILE).kind, PodDeleted);
}

#[test]
fn an_executor_that_did_not_start_is_not_the_builds_fault() {
    for (reason, kind) in [("StartError", ImagePullFailed), ("ContainerStatusUnknown", NodeLost)] {
        let failure = verdict(&ended(128, reason), &Log::default(), DOCKERFILE);
        assert_eq!(failure.kind, kind, "{reason}");
    }
    let failure = verdict(&pod(json!({"phase": "Failed"})), &Log::default(), DOCKERFILE);
    assert_eq!(failure.kind, ImagePullFailed);
}

#[test]
fn a_digest_counts_at_exit_code_0_only() {
    let sha = format!("sha256:{}", "a".repeat(64));
    for (exit_code, message, expected) in [
        (0, sha.clone(), Some(sha.as_str())),
        (0, format!("{sha}\n"), Some(sha.as_str())),
        (1, sha.clone(), None),
        (0, "done".to_owned(), None),
        (0, String::new(), None),
    ] {
        let mut pod = ended(exit_code, "Completed");
        let status = pod.status.as_mut().and_then(|status| status.container_statuses.as_mut());
        let state = status.and_then(|all| all[0].state.as_mut());
        state.unwrap().terminated.as_mut().unwrap().message = Some(message.clone());
        assert_eq!(phase::digest(&pod), expected, "{exit_code} {message}");
    }
}

/// The status of a Pod at the moment when its build was over, as a real kubelet and API server told
/// it, and the log that its node had left.
fn recorded(status: &str) -> Failure {
    let pod: SeenPod = serde_json::from_str(status).unwrap();
    assert!(crate::pod::phase::is_over(&pod, k8s_openapi::jiff::Timestamp::now()), "{status}");
    let end = crate::pod::phase::terminated(&pod).and_then(|end| end.message.clone());
    verdict(&pod, &Log::of(&end.unwrap_or_default()), DOCKERFILE)
}

#[test]
fn recorded_statuses_have_a_type() {
    let cases = [
        (include_str!("recorded/base.json"), BaseImageNotFound, "-no`"),
        (include_str!("recorded/deleted.json"), PodDeleted, "someone deleted the Pod"),
        (include_str!("recorded/evict.json"), Evicted, "EvictionByEvictionAPI"),
        (include_str!("recorded/fail.json"), BuildFailed, "exit code 7"),
        (include_str!("recorded/oom.json"), OutOfMemory, "its limit of 300Mi"),
        (include_str!("recorded/storage.json"), Evicted, "total limit of containers 100Mi"),
    ];
    for (status, kind, words) in cases {
        let failure = recorded(status);
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
        assert_eq!(failure.node.as_deref(), Some("node1"));
    }
    let built: SeenPod = serde_json::from_str(include_str!("recorded/ok.json")).unwrap();
    assert!(phase::digest(&built).is_some());
}
