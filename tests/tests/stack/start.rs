//! A worker that lacks something says so at its start, and how to mend it.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use kilnworks_tests::{
    engine::variable,
    stack::{kiln, run, unique},
};

/// What `kiln worker` says before it ends with a failure.
async fn refusal(settings: &[(&str, &str)]) -> String {
    let queue = unique("start");
    let own = [("KILN_TASK_QUEUE", queue.as_str()), ("KILN_INSTALL", queue.as_str())];
    let mut command = tokio::process::Command::new(kiln());
    command.arg("worker").envs(own).envs(settings.iter().copied());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(60), command.output());
    let output = ended.await.expect("it ends in a minute").expect("kiln runs");
    assert!(!output.status.success(), "{settings:?} should be refused");
    String::from_utf8(output.stderr).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_thing_is_named() {
    let nosuch = unique("nosuch");
    let volume = variable("KILN_VOLUME_DIR");
    let table: [(&[(&str, &str)], &str); 8] = [
        (&[("KILN_S3_BUCKET", &nosuch)], "create the bucket"),
        (&[("AWS_SECRET_ACCESS_KEY", "wrong")], "check the worker's credentials"),
        (&[("KILN_S3_SECRET", &nosuch)], "set KILN_S3_SECRET"),
        (&[("KILN_NAMESPACE", &nosuch)], "set KILN_NAMESPACE"),
        (&[("KUBECONFIG", "/nosuch")], "set `KUBECONFIG`"),
        (
            &[("KILN_POD_TEMPLATE", "/nosuch.yaml")],
            "cannot read the Pod template `/nosuch.yaml` (KILN_POD_TEMPLATE)",
        ),
        (&[("TEMPORAL_NAMESPACE", &nosuch)], "kiln setup"),
        (
            &[
                ("KILN_STORE", "volume"),
                ("KILN_VOLUME_DIR", &volume),
                ("KILN_VOLUME_HOST_PATH", ""),
                ("KILN_VOLUME_CLAIM", &nosuch),
            ],
            "set KILN_VOLUME_CLAIM",
        ),
    ];
    for (settings, expected) in table {
        let said = refusal(settings).await;
        assert!(said.contains(expected), "{settings:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_right_is_named() {
    let (namespace, account) = (variable("KILN_NAMESPACE"), unique("nobody"));
    let kubectl = |arguments: &[&str]| {
        run(Command::new("kubectl").args(["--namespace", &namespace]).args(arguments))
    };
    kubectl(&["create", "serviceaccount", &account]);
    let token = kubectl(&["create", "token", &account]);
    let directory = tempfile::tempdir().expect("a directory");
    let config = nobody(directory.path(), token.trim());
    let said = refusal(&[("KUBECONFIG", &config)]).await;
    kubectl(&["delete", "serviceaccount", &account]);
    for right in ["create pods", "get pods/log", "delete jobs", "let a Role allow it"] {
        assert!(said.contains(right), "{said}");
    }
}

/// The stack's kubeconfig, with a token instead of the operator's certificate.
fn nobody(directory: &Path, token: &str) -> String {
    let path = directory.join("kubeconfig");
    std::fs::copy(variable("KUBECONFIG"), &path).expect("a kubeconfig");
    let path = path.to_str().expect("a path").to_owned();
    let kubectl = |arguments: &[&str]| {
        run(Command::new("kubectl").args(["--kubeconfig", &path, "config"]).args(arguments))
    };
    kubectl(&["set-credentials", "nobody", &format!("--token={token}")]);
    kubectl(&["set-context", "--current", "--user=nobody"]);
    path
}
