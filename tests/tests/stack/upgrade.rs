//! A new version of the workers while builds run: on the real stack, with worker versioning.

use std::{process::Command, time::Duration};

use kilnworks_tests::{
    engine::{client, end, eventually, variable},
    stack::{PATIENCE, Worker, cluster, pods, publish, run, spec, start, unique},
};
use kilnworks_workflows::BuildApp;
use serde_json::{Value, json};

/// Workers of one version: an installation's, whose task queue has its name.
async fn version(install: &str, versioning: &str, build_id: &str) -> Worker {
    let settings = [("KILN_VERSIONING", versioning), ("KILN_BUILD_ID", build_id)];
    let worker = Worker::start(install, &settings).await;
    make_current(install, build_id).await;
    worker
}

/// New builds begin under this version from now on.
async fn make_current(install: &str, build_id: &str) {
    let set = ["worker", "deployment", "set-current-version", "--yes"];
    let which = ["--deployment-name", install, "--build-id", build_id];
    // The engine knows a version a moment after its workers have polled.
    eventually("the version to become current", Duration::from_secs(60), async || {
        let done = Command::new("temporal").args(set).args(which).output().expect("temporal runs");
        done.status.success().then_some(())
    })
    .await;
}

/// Starts a build whose Pod takes so many seconds, and waits until it runs.
async fn begin(install: &str, app: &str, seconds: u32) {
    let dockerfile = format!("FROM {}\nRUN sleep {seconds}\n", variable("KILN_BASE_IMAGE"));
    let url = publish(app, &[("Dockerfile", &dockerfile)]);
    start("BuildApp", install, app, &spec(app, &url, json!([{"name": "one"}])));
    let cluster = cluster().await;
    eventually("the Pod to run", PATIENCE, async || {
        let pods = pods(&cluster, app).await;
        let phase = pods.first()?.status.as_ref()?.phase.clone()?;
        (phase == "Running").then_some(())
    })
    .await;
}

/// Waits for the end of a build, which took one Pod, and gives the version that ended it.
async fn ended_under(app: &str) -> String {
    let handle = client().await.get_workflow_handle::<BuildApp>(app);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    let output = ended.expect("it ends in its time").output();
    assert_eq!(output.images[0].attempts, 1, "the Pod went on");
    // The whole build, its children too, is on one version.
    let versions = ["", "/web", "/web/one"].map(|part| version_of(&format!("{app}{part}")));
    assert!(versions.iter().all(|version| *version == versions[0]), "{versions:?}");
    versions[0].clone()
}

fn version_of(id: &str) -> String {
    let describe = ["workflow", "describe", "--workflow-id", id, "--output", "json"];
    let described: Value =
        serde_json::from_str(&run(Command::new("temporal").args(describe))).expect("JSON");
    let version = &described["workflowExecutionInfo"]["versioningInfo"]["deploymentVersion"];
    version["buildId"].as_str().unwrap_or_else(|| panic!("no version: {described}")).to_owned()
}

/// The new version takes over what runs: the old worker stops in its middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_goes_on_under_the_next_version() {
    let (install, app) = (unique("upgrade"), unique("across"));
    let mut old = version(&install, "auto-upgrade", "1.0.0").await;
    begin(&install, &app, 12).await;
    let _new = version(&install, "auto-upgrade", "1.1.0").await;
    old.terminate();
    eventually("the old worker to end", PATIENCE, || {
        std::future::ready(old.has_ended().then_some(()))
    })
    .await;
    assert_eq!(ended_under(&app).await, "1.1.0");
}

/// The old version keeps what it began; what begins later is the new one's.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_build_stays_with_its_version() {
    let (install, first, second) = (unique("upgrade"), unique("first"), unique("second"));
    let _old = version(&install, "pinned", "1.0.0").await;
    begin(&install, &first, 15).await;
    let _new = version(&install, "pinned", "1.1.0").await;
    begin(&install, &second, 1).await;
    assert_eq!(ended_under(&second).await, "1.1.0");
    assert_eq!(ended_under(&first).await, "1.0.0");
}
