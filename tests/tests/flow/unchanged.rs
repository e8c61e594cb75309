//! `onlyIf: changed`.

use kilnworks_tests::{
    engine::{end, start, with_fakes},
    fakes::FakeSteps,
    specs::shop,
};
use kilnworks_workflows::{
    BuildApp, BuildComponent,
    build::OUTCOME,
    output::{BuildOutput, Outcome},
    progress::Progress,
};
use serde_json::{Value, json};
use temporalio_client::{WorkflowDescribeOptions, WorkflowQueryOptions};

/// The app with a registry of its own: versions are reserved by the name of the registry.
fn own(queue: &str, version: Value) -> Value {
    let mut document = shop();
    document["version"] = version;
    document["onlyIf"] = json!("changed");
    document["defaults"]["registry"]["prefix"] = json!(format!("registry.example.com/{queue}"));
    document
}

/// The result of an app, and its search attribute KilnOutcome.
async fn build(steps: &FakeSteps, version: Value) -> (BuildOutput, String) {
    with_fakes(steps.clone(), async |client, queue| {
        let document = own(&queue, version);
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        let output = end(&handle).await.output();
        let described = handle.describe(WorkflowDescribeOptions::default()).await.expect("it is");
        let attributes = &described.raw().workflow_execution_info.as_ref().expect("its info");
        let attributes = attributes.search_attributes.clone().expect("some");
        let outcome = &attributes.indexed_fields[OUTCOME.name()].data;
        (output, serde_json::from_slice(outcome).expect("a word"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_app_starts_nothing() {
    let steps = FakeSteps::default().published("1.0.0").unchanged("1.0.0");
    let (output, word) = build(&steps, json!("auto")).await;
    assert_eq!(output.outcome, Outcome::Unchanged);
    assert_eq!(output.version.as_deref(), Some("1.0.0"), "no version is reserved");
    assert_eq!(word, "unchanged");
    assert_eq!(steps.ran(), ["compare shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_app_is_built() {
    for version in [json!("auto"), json!("1.0.0"), Value::Null] {
        let steps = FakeSteps::default();
        let (output, word) = build(&steps, version.clone()).await;
        assert_eq!((output.outcome, word.as_str()), (Outcome::Succeeded, "succeeded"), "{version}");
        assert_eq!((steps.count("compare"), steps.count("launch")), (1, 3), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_without_only_if_compares_nothing() {
    let steps = FakeSteps::default().unchanged("1.0.0");
    with_fakes(steps.clone(), async |client, queue| {
        let mut document = own(&queue, json!("1.0.0"));
        document["onlyIf"] = Value::Null;
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        assert_eq!(end(&handle).await.output().outcome, Outcome::Succeeded);
    })
    .await;
    assert_eq!(steps.count("compare"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_built_where_the_comparison_fails() {
    let steps = FakeSteps::default().comparison_fails();
    let (output, _) = build(&steps, Value::Null).await;
    assert_eq!(output.outcome, Outcome::Succeeded);
    assert_eq!((steps.count("compare"), steps.count("launch")), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_can_be_unchanged_too() {
    let steps = FakeSteps::default().unchanged("1.0.0");
    with_fakes(steps.clone(), async |client, queue| {
        let app = own(&queue, json!("1.0.0"));
        let document = json!({
            "app": app["app"],
            "version": "1.0.0",
            "onlyIf": "changed",
            "defaults": app["defaults"],
            "component": app["components"][0],
        });
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        assert_eq!(end(&handle).await.output().outcome, Outcome::Unchanged);
        let asked = handle.query(BuildComponent::progress, (), WorkflowQueryOptions::default());
        let progress: Progress = asked.await.expect("an answer");
        assert!(progress.containers.iter().all(|row| row.state.is_final()), "{progress:?}");
    })
    .await;
    assert_eq!(steps.ran(), ["compare shop"]);
}
