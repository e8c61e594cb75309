//! What the failure of one container means for the others.

use kilnworks_tests::{
    engine::{end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::shop,
};
use kilnworks_workflows::{BuildApp, failure::FailureType};
use serde_json::{Value, json};

use super::ask::{PATIENCE, fails, failure};

fn server_fails() -> FakeSteps {
    let failures = vec![failure(FailureType::BuildFailed)];
    FakeSteps::default().fate("web/server", Fate::Fails(failures))
}

/// The app, which ends with the first failure.
fn fail_fast() -> Value {
    let mut document = shop();
    document["failFast"] = json!(true);
    document
}

/// The app, with a source of its own for `data/loader`.
fn with_loader_from(url: &str) -> Value {
    let mut document = shop();
    document["components"][1]["containers"][1]["source"] = json!({"git": {"url": url}});
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_containers_keep_their_images() {
    let mut failed = failure(FailureType::BuildFailed);
    failed.exit_code = Some(7);
    let steps = FakeSteps::default().fate("web/server", Fate::Fails(vec![failed; 3]));
    let (kind, details) = fails(&steps, BuildApp::run, shop()).await;
    assert_eq!(kind, "BuildFailed");
    assert_eq!(details.failures.len(), 1);
    assert_eq!(details.failures[0].container, "server");
    assert_eq!(details.failures[0].exit_code, Some(7));
    assert_eq!(details.images.len(), 3);
    assert_eq!(steps.count("launch web/server"), 1, "a failed instruction is not retried");
    assert_eq!(steps.count("clean_up"), 3);
    assert_eq!(steps.count("deliver shop"), 0, "an incomplete app has no package");
    assert_eq!(steps.count("deliver data"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_source_fails_only_its_containers() {
    const MISSING: &str = "https://git.example.com/missing.git";
    let steps = FakeSteps::default().missing_source(MISSING);
    let (kind, details) = fails(&steps, BuildApp::run, with_loader_from(MISSING)).await;
    assert_eq!(kind, "SourceNotFound");
    assert_eq!(details.failures[0].container, "loader");
    assert_eq!(details.images.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_source_delays_only_its_component() {
    const UNAVAILABLE: &str = "https://git.example.com/unavailable.git";
    let steps = FakeSteps::default().unavailable_source(UNAVAILABLE);
    let output = with_fakes(steps.clone(), async |client, queue| {
        let document = with_loader_from(UNAVAILABLE);
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        eventually("the other component's package", PATIENCE, async || {
            (steps.count("deliver web") == 1).then_some(())
        })
        .await;
        assert_eq!(steps.count("launch data"), 0);
        steps.restore_sources();
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_cancels_the_other_containers() {
    let steps = server_fails().fate("web/migrate", Fate::Hangs).fate("data/loader", Fate::Hangs);
    let (kind, details) = fails(&steps, BuildApp::run, fail_fast()).await;
    assert_eq!(kind, "BuildFailed", "the cancelled containers are not the reason");
    assert_eq!(details.failures.len(), 1);
    assert_eq!(details.failures[0].container, "server");
    assert_eq!(steps.count("clean_up"), steps.count("launch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_starts_no_further_container() {
    let mut document = fail_fast();
    document["maxParallel"] = json!(1);
    let steps = server_fails();
    assert_eq!(fails(&steps, BuildApp::run, document).await.0, "BuildFailed");
    assert_eq!(steps.count("launch"), 1);
}
