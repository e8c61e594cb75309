//! A waiting build reports the cluster's own reason long before its timeout expires.

use std::time::{Duration, Instant};

use kilnworks_tests::{
    engine::{End, client, end, eventually, variable},
    stack::{Worker, publish, spec, start, unique},
};
use kilnworks_workflows::{BuildApp, progress::Progress};
use serde_json::{Value, json};
use temporalio_client::{Client, WorkflowCancelOptions, WorkflowQueryOptions};

/// Five seconds is the promise; the rest is slack for a busy machine.
const PROMISE: Duration = Duration::from_secs(25);

/// Starts a build that cannot go on, and waits until it says why, in its root workflow.
async fn says(client: &Client, worker: &Worker, container: Value, reason: &str) {
    let url = publish(&unique("waits"), &[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let id = unique("waits");
    let document = spec(&id, &url, json!([container]));
    start("BuildApp", &worker.queue, &id, &document);
    let begun = Instant::now();
    let handle = client.get_workflow_handle::<BuildApp>(&id);
    eventually(&format!("{reason} to be told"), PROMISE, async || {
        let options = WorkflowQueryOptions::default();
        let progress: Progress = handle.query(BuildApp::progress, (), options).await.ok()?;
        let told = progress.containers.first()?.reason.as_deref()?.contains(reason);
        told.then_some(())
    })
    .await;
    println!("told `{reason}` after {:.1} s", begun.elapsed().as_secs_f64());
    handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
    assert!(matches!(end(&handle).await, End::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_cannot_start_says_why() {
    let client = client().await;
    let worker = Worker::start(&unique("waits"), &[]).await;
    let big = json!({"name": "big", "resources": {"memory": "900Gi"}});
    // Nothing but the Pod needs the authority where no image is looked up.
    let registry = format!("{}/{}", variable("KILN_REGISTRY"), unique("ca"));
    let ca = json!({"name": "ca", "pin": false, "registry": {
        "prefix": registry, "insecure": true, "ca": {"configMap": "not-there"},
    }});
    let away = json!({"name": "away", "source": {"git": {"url": "http://127.0.0.1:9/a.git"}}});
    let missing = [("KILN_EXECUTOR_IMAGE", &*format!("{}/not-there:1", variable("KILN_REGISTRY")))];
    let imageless = Worker::start(&unique("waits"), &missing).await;
    tokio::join!(
        says(&client, &worker, big, "Insufficient memory"),
        says(&client, &worker, ca, "\"not-there\" not found"),
        says(&client, &worker, away, "127.0.0.1"),
        says(&client, &imageless, json!({"name": "image"}), "not-there:1"),
    );
}
