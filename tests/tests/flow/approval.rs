//! Packages that need a user's approval.

use kilnworks_tests::{
    engine::{end, eventually, start, with_fakes},
    fakes::FakeSteps,
    specs::shop,
};
use kilnworks_workflows::BuildApp;
use serde_json::{Value, json};
use temporalio_client::Client;

use super::ask::{PATIENCE, ask, cancel, query, refused};

/// The app, without a version: what is published under a version never changes.
fn needs_approval() -> Value {
    let mut document = shop();
    document["approval"] = json!("before-deliver");
    document.as_object_mut().expect("an object").remove("version");
    document
}

async fn waits_for_approval(client: &Client, id: &str) {
    eventually("the build to wait for approval", PATIENCE, async || {
        let progress = query(client, id, "progress").await?;
        (progress["waiting"] == "for approval").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_package_is_delivered() {
    let steps = FakeSteps::default();
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, needs_approval()).await;
        waits_for_approval(&client, &queue).await;
        assert_eq!(steps.count("deliver shop"), 0);
        refused(&client, &queue, "pause", json!({}), "every container has ended").await;
        ask(&client, &queue, "approve", json!({})).await;
        assert!(end(&handle).await.output().package.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_package_is_not_delivered() {
    let steps = FakeSteps::default();
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, needs_approval()).await;
        waits_for_approval(&client, &queue).await;
        ask(&client, &queue, "approve", json!({"reject": "not on a Friday"})).await;
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "Rejected");
        assert!(details.failures[0].message.contains("not on a Friday"));
        assert_eq!(details.images.len(), 4);
    })
    .await;
    assert_eq!(steps.count("deliver shop"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_waits_for_approval_can_be_cancelled() {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, needs_approval()).await;
        waits_for_approval(&client, &queue).await;
        cancel(&handle).await;
    })
    .await;
}
