//! Containers whose images the parent finds before it starts them.

use kilnworks_tests::{
    engine::{activities, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::shop,
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, failure::FailureType, names::child_workflow_id,
    progress::State,
};
use serde_json::json;
use temporalio_client::{Client, errors::WorkflowInteractionError};

use super::ask::{PATIENCE, ask, failure, query, stands, succeeds};

/// The source of all containers.
const URL: &str = "https://git.example.com/shop.git";

/// Whether a container of an app has a workflow.
async fn has_workflow(client: &Client, app: &str, component: &str, container: &str) -> bool {
    let id = child_workflow_id(&child_workflow_id(app, component), container);
    let workflow = client.get_workflow_handle::<BuildContainer>(id);
    match workflow.describe(Default::default()).await {
        Ok(_) => true,
        Err(WorkflowInteractionError::NotFound(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_with_a_found_image_has_no_workflow() {
    let steps = FakeSteps::default().found("web/server").found("web/migrate").found("data/loader");
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        let output = end(&handle).await.output();
        let reused: Vec<_> = output.images.iter().map(|image| image.reused).collect();
        assert_eq!(reused, [true, true, false, true], "in plan order");
        let server = &output.images[0];
        assert_eq!((server.attempts, server.tags.as_slice()), (0, &["1.0.0".to_owned()][..]));
        assert!(server.commit.is_some() && server.made.is_none(), "{server:?}");
        for (component, container) in [("web", "server"), ("web", "migrate"), ("data", "loader")] {
            assert!(!has_workflow(&client, &queue, component, container).await, "{container}");
        }
        assert!(has_workflow(&client, &queue, "data", "proxy").await, "it has no source");
        let progress = query(&client, &queue, "progress").await.expect("an answer");
        let rows = progress["containers"].as_array().expect("rows");
        assert!(rows.iter().all(|row| row["state"] == "done" && row["reference"].is_string()));
        let steps = activities(&client, &queue).await;
        assert_eq!(steps, ["check_version", "fetch_source", "find_images", "tag", "deliver"]);
    })
    .await;
    assert_eq!(
        steps.wanted(),
        ["data/loader", "web/migrate", "web/server"],
        "each is looked for once"
    );
    assert_eq!((steps.count("render"), steps.count("launch")), (0, 0));
    assert_eq!(steps.count("deliver"), 3, "the packages contain them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_builds_the_containers_without_a_found_image() {
    let steps = FakeSteps::default().found("web/migrate");
    let document = json!({
        "app": "shop",
        "version": "1.0.0",
        "defaults": shop()["defaults"],
        "component": shop()["components"][0],
    });
    let output = succeeds(&steps, BuildComponent::run, document).await;
    let attempts: Vec<_> = output.images.iter().map(|image| image.attempts).collect();
    assert_eq!(attempts, [1, 0]);
    assert_eq!(steps.wanted(), ["web/migrate", "web/server"]);
    assert_eq!((steps.count("render web/server"), steps.count("render")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_images_of_each_source_are_found_except_those_built_from_others() {
    let steps = FakeSteps::default().found("web/base").found("data/loader");
    let mut document = shop();
    document["components"][0]["containers"] =
        json!([{"name": "base"}, {"name": "top", "from": "base"}]);
    document["components"][1]["containers"][1]["source"] =
        json!({"git": {"url": "https://git.example.com/other.git"}});
    let output = succeeds(&steps, BuildApp::run, document).await;
    assert_eq!(output.images.len(), 4);
    assert_eq!(steps.count("fetch_source"), 2);
    assert_eq!(steps.wanted(), ["data/loader", "web/base"]);
    assert_eq!(steps.count("render web/top on web/base"), 1, "{:?}", steps.ran());
    assert_eq!(steps.count("render"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_before_the_source_is_fetched_applies() {
    let steps =
        FakeSteps::default().unavailable_source(URL).found("web/server").found("web/migrate");
    let steps = steps.found("data/loader");
    let (kind, details) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        eventually("a fetch", PATIENCE, async || (steps.count("fetch_source") > 0).then_some(())).await;
        let of = |component: &str, container: &str| {
            json!({"component": component, "container": container})
        };
        ask(&client, &queue, "pause", of("web", "server")).await;
        ask(&client, &queue, "pause", of("data", "loader")).await;
        ask(&client, &queue, "cancel_container", of("web", "migrate")).await;
        steps.restore_sources();
        let started = async || has_workflow(&client, &queue, "data", "proxy").await.then_some(());
        eventually("the other container to start", PATIENCE, started).await;
        stands(&client, &queue, "web/server", State::Paused).await;
        assert_eq!(steps.count("render"), 0, "both are paused");
        ask(&client, &queue, "resume", json!({})).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "ContainerCancelled");
    let failed: Vec<_> = details.failures.iter().map(|it| it.container.as_str()).collect();
    assert_eq!(failed, ["migrate"]);
    assert_eq!(details.images.len(), 3);
    assert!(steps.wanted().is_empty(), "no parent looks for the image of a paused container");
    assert_eq!((steps.count("render web/server"), steps.count("render data/loader")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_image_stays_when_another_container_is_retried() {
    let fails = vec![failure(FailureType::BuildFailed)];
    let steps = FakeSteps::default()
        .found("web/migrate")
        .fate("web/server", Fate::FailsUntil("4Gi".to_owned(), fails))
        .fate("data/loader", Fate::Queues);
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        stands(&client, &queue, "web/server", State::Failed).await;
        let retry = json!({
            "component": "web", "container": "server", "resources": {"memory": "4Gi"}
        });
        ask(&client, &queue, "retry_container", retry).await;
        stands(&client, &queue, "web/server", State::Done).await;
        steps.make_room();
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images.len(), 4);
    assert_eq!(steps.count("render web/migrate"), 0);
    assert_eq!(steps.count("launch web/server"), 2);
}
