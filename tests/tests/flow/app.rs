//! What a build returns, and what invalid input leads to.

use kilnworks_tests::{
    engine::{end, start, with_fakes},
    fakes::{FakeSteps, Fate, digest},
    specs::{component, container, shop},
};
use kilnworks_workflows::{BuildApp, BuildComponent, BuildContainer, Sweep};
use serde_json::json;
use temporalio_client::{
    WorkflowGetResultOptions, WorkflowSignalOptions, WorkflowStartOptions,
    errors::WorkflowGetResultError,
};
use temporalio_common::data_converters::RawValue;

use super::ask::{cancel, fails, query, ran, succeeds};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_returns_its_images_in_plan_order() {
    let steps = FakeSteps::default();
    let output = succeeds(&steps, BuildApp::run, shop()).await;
    let names: Vec<_> =
        output.images.iter().map(|it| format!("{}/{}", it.component, it.container)).collect();
    assert_eq!(names, ["web/server", "web/migrate", "data/proxy", "data/loader"]);
    assert!(output.images[1].init);
    assert_eq!(
        output.images[0].reference,
        format!("registry.example.com/shop/shop-web-server@{}", digest("web/server"))
    );
    assert_eq!(output.images[2].attempts, 0);
    assert!(output.package.expect("a package").reference.ends_with("/shop:1"));
    assert_eq!(steps.count("fetch_source"), 1, "three containers share the source");
    assert_eq!(steps.count("launch"), 3);
    assert_eq!(steps.count("clean_up"), 3);
    assert_eq!(steps.count("deliver"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_and_a_container_build_without_a_parent() {
    let steps = FakeSteps::default();
    let output = succeeds(&steps, BuildComponent::run, component()).await;
    assert_eq!(output.images.len(), 2);
    let output = succeeds(&steps, BuildContainer::run, container()).await;
    assert_eq!(output.images[0].digest, digest("web/server"));
    assert_eq!(output.package, None);
    assert_eq!(steps.count("fetch_source"), 2, "each fetches the source itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_plan_returns_names_and_sources() {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        end(&handle).await.output();
        let plan = query(&client, &queue, "plan").await.expect("a plan");
        assert_eq!(plan["components"][0]["containers"][1]["name"], "migrate", "{plan}");
        let source = plan["components"][0]["containers"][0]["source"].as_u64().expect("a source");
        assert_eq!(
            plan["sources"][source as usize]["url"],
            shop()["defaults"]["source"]["git"]["url"]
        );
        assert_eq!(plan["components"][1]["containers"][0].get("source"), None, "{plan}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_document_fails_with_every_fault() {
    let mut document = shop();
    document["components"][0]["name"] = json!("Web");
    document["components"][1]["containers"][1]["contextDir"] = json!("../up");
    let steps = FakeSteps::default();
    let (kind, details) = fails(&steps, BuildApp::run, document).await;
    assert_eq!(kind, "InvalidSpec");
    let message = &details.failures[0].message;
    assert!(message.contains("components[0].name: `Web`"), "{message}");
    assert!(message.contains("components[1].containers[1].contextDir: `../up`"), "{message}");
    for document in [json!([]), json!("text"), json!(7)] {
        assert_eq!(fails(&steps, BuildContainer::run, document).await.0, "InvalidSpec");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_fails_fast_and_waits_on_failure_is_invalid() {
    let mut document = shop();
    document["failFast"] = json!(true);
    document["onFailure"] = json!("wait");
    let (kind, details) = fails(&FakeSteps::default(), BuildApp::run, document).await;
    assert_eq!(kind, "InvalidSpec");
    assert!(details.failures[0].message.contains("onFailure: `wait`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_cannot_be_decoded_blocks_nothing() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let nothing = || RawValue::new(Vec::new());
        let options = WorkflowStartOptions::new(&queue, format!("{queue}-empty")).build();
        let handle = client.start_workflow(BuildApp::run, nothing(), options).await;
        let handle = handle.expect("the workflow starts");
        assert_eq!(end(&handle).await.failure().0, "InvalidSpec");

        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        let options = WorkflowSignalOptions::default();
        let sent = handle.signal(BuildContainer::observed, nothing(), options).await;
        sent.expect("the signal is sent");
        ran(&steps, "await_build web/server", 1).await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_returns_a_report_and_an_invalid_sweep_fails() {
    let steps = FakeSteps::default();
    let (report, invalid) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, Sweep::run, &queue, &queue, json!({"dryRun": true})).await;
        let report = handle.get_result(WorkflowGetResultOptions::default()).await;
        let input = json!({"dryRun": true, "keep": "1s"});
        let handle = start(&client, Sweep::run, &queue, &queue, input).await;
        (report, handle.get_result(WorkflowGetResultOptions::default()).await)
    })
    .await;
    let report = report.expect("a report");
    assert!(report.dry_run);
    assert_eq!(report.contexts.bytes, 10);
    let Err(WorkflowGetResultError::Failed(error)) = invalid else {
        panic!("an invalid sweep fails: {invalid:?}");
    };
    assert!(format!("{error:?}").contains("InvalidSpec"), "{error:?}");
    assert_eq!(steps.ran(), ["sweep, dry run true"]);
}
