//! Versions and reuse.

use kilnworks_tests::{
    engine::{end, eventually, start, with_fakes},
    fakes::FakeSteps,
    specs::{component, container, shop},
};
use kilnworks_workflows::{BuildApp, BuildComponent, BuildContainer, ReserveVersion, names};
use serde_json::{Value, json};
use temporalio_client::WorkflowDescribeOptions;

use super::ask::{PATIENCE, fails, succeeds};

fn versioned(version: &str) -> Value {
    let mut document = shop();
    document["version"] = json!(version);
    document
}

/// The same with a registry of its own: versions are reserved by the name of the registry.
fn own(queue: &str, version: &str) -> Value {
    let mut document = versioned(version);
    document["defaults"]["registry"]["prefix"] = json!(format!("registry.example.com/{queue}"));
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_exists_needs_no_pod() {
    let steps = FakeSteps::default().built("web/server").built("web/migrate").built("data/loader");
    let mut document = shop();
    document["version"] = Value::Null;
    let output = succeeds(&steps, BuildApp::run, document).await;
    let reused: Vec<_> = output.images.iter().map(|image| image.reused).collect();
    assert_eq!(reused, [true, true, false, true]);
    assert!(output.images.iter().all(|image| image.attempts == 0 && image.made.is_none()));
    for nothing in ["upload", "launch", "await_build", "clean_up"] {
        assert_eq!(steps.count(nothing), 0, "{nothing}");
    }
    assert_eq!(steps.count("deliver"), 3);
    assert_eq!(steps.count("check_version"), 0, "without a version there is nothing to check");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_checked_once() {
    let steps = FakeSteps::default();
    let output = succeeds(&steps, BuildApp::run, versioned("1.0.0")).await;
    assert_eq!(output.version.as_deref(), Some("1.0.0"));
    assert_eq!(steps.count("check_version"), 1);
    assert_eq!(steps.count("launch"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_differs_from_its_published_version_fails_without_a_pod() {
    let steps = FakeSteps::default().published("1.0.0").built("web/server");
    let (kind, details) = fails(&steps, BuildApp::run, versioned("1.0.0")).await;
    assert_eq!(kind, "VersionExists");
    let differ: Vec<_> = details.failures.iter().map(|it| it.container.as_str()).collect();
    assert_eq!(differ, ["migrate", "loader"]);
    assert_eq!(details.images.len(), 2);
    assert_eq!(steps.count("launch"), 0);
    assert_eq!(steps.count("deliver"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_parent_checks_its_own_package() {
    let steps = FakeSteps::default().published("1.0.0");
    let mut document = component();
    document["version"] = json!("1.0.0");
    let (kind, _) = fails(&steps, BuildComponent::run, document).await;
    assert_eq!(kind, "VersionExists");
    assert_eq!((steps.count("check_version"), steps.count("launch")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_builds_find_different_versions() {
    let steps = FakeSteps::default().published("1.0.0");
    with_fakes(steps.clone(), async |client, queue| {
        let mut handles = Vec::new();
        for index in 0..5 {
            let id = format!("{queue}-{index}");
            let document = own(&queue, "auto");
            handles.push(start(&client, BuildApp::run, &queue, &id, document).await);
        }
        let mut found = Vec::new();
        for handle in &handles {
            found.push(end(handle).await.output().version.expect("a version"));
        }
        found.sort();
        assert_eq!(found, ["1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5"]);
        let held =
            names::version_workflow_id(&format!("registry.example.com/{queue}/shop"), "1.0.5");
        let handle = client.get_workflow_handle::<ReserveVersion>(&held);
        eventually("the end of the reservation", PATIENCE, async || {
            let described = handle.describe(WorkflowDescribeOptions::default()).await.unwrap();
            (format!("{:?}", described.status()) == "Completed").then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_cannot_find_a_version() {
    let mut document = container();
    document["version"] = json!("auto");
    let (kind, details) = fails(&FakeSteps::default(), BuildContainer::run, document).await;
    assert_eq!(kind, "InvalidSpec");
    let message = &details.failures[0].message;
    assert!(message.contains("version: `auto` is for an app"), "{message}");
}
