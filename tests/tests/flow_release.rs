//! Versions and reuse on a real engine, with fake steps.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::FakeSteps,
    specs::{container, shop},
};
use kilnworks_workflows::{BuildApp, BuildComponent, BuildContainer, ReserveVersion, names};
use serde_json::{Value, json};
use temporalio_client::WorkflowDescribeOptions;

fn versioned(version: &str) -> Value {
    let mut document = shop();
    document["version"] = json!(version);
    document
}

/// An app whose registry no other test has, as versions are held by its name.
fn own(queue: &str, version: &str) -> Value {
    let mut document = versioned(version);
    document["defaults"]["registry"]["prefix"] = json!(format!("registry.example.com/{queue}"));
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_has_no_pod() {
    let steps = FakeSteps::default().built("web/server").built("web/migrate").built("data/loader");
    let output = with_fakes(steps.clone(), async |client, queue| {
        let mut document = shop();
        document["version"] = Value::Null;
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        end(&handle).await.output()
    })
    .await;
    let reused: Vec<_> = output.images.iter().map(|image| image.reused).collect();
    assert_eq!(reused, [true, true, false, true]);
    assert!(output.images.iter().all(|image| image.attempts == 0 && image.made.is_none()));
    for nothing in ["upload", "launch", "await", "clean up"] {
        assert_eq!(steps.count(nothing), 0, "{nothing}");
    }
    assert_eq!(steps.count("deliver"), 3);
    assert_eq!(steps.count("look up"), 0, "without a version none is looked up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_looked_up_once() {
    let steps = FakeSteps::default();
    let output = with_fakes(steps.clone(), async |client, queue| {
        let document = versioned("1.0.0");
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.version.as_deref(), Some("1.0.0"));
    assert_eq!(steps.count("look up"), 1);
    assert_eq!(steps.count("launch"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_from_a_published_version_has_no_pod() {
    let steps = FakeSteps::default().published("1.0.0").built("web/server");
    let (kind, details) = with_fakes(steps.clone(), async |client, queue| {
        let document = versioned("1.0.0");
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "VersionExists");
    let differ: Vec<_> = details.failures.iter().map(|it| it.container.as_str()).collect();
    assert_eq!(differ, ["migrate", "loader"]);
    assert_eq!(details.images.len(), 2);
    assert_eq!(steps.count("launch"), 0);
    assert_eq!(steps.count("deliver"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_alone_looks_up_its_own_package() {
    let steps = FakeSteps::default().published("1.0.0");
    let (kind, _) = with_fakes(steps.clone(), async |client, queue| {
        let document = json!({
            "app": "shop",
            "version": "1.0.0",
            "defaults": shop()["defaults"],
            "component": shop()["components"][0],
        });
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "VersionExists");
    assert_eq!((steps.count("look up"), steps.count("launch")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_at_once_find_versions_of_their_own() {
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
        eventually("the version to be free again", Duration::from_secs(30), async || {
            let described = handle.describe(WorkflowDescribeOptions::default()).await.unwrap();
            (format!("{:?}", described.status()) == "Completed").then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_alone_has_no_version_to_find() {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let mut document = container();
        document["version"] = json!("auto");
        let handle = start(&client, BuildContainer::run, &queue, &queue, document).await;
        let End::Failed(kind, details) = end(&handle).await else { panic!("it should fail") };
        assert_eq!(kind, "InvalidSpec");
        assert!(
            details.failures[0].message.contains("version: `auto` is for an app"),
            "{details:?}"
        );
    })
    .await;
}
