//! Containers whose images are there when their source is fetched, on a real engine with fake steps.

use std::time::Duration;

use kilnworks_tests::{
    engine::{end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::shop,
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer,
    build::raw,
    failure::{Failure, FailureType},
    names::child_workflow_id,
    progress::{Progress, State},
};
use serde_json::{Value, json};
use temporalio_client::{
    Client, UntypedUpdate, UntypedWorkflow, WorkflowExecuteUpdateOptions, WorkflowQueryOptions,
    errors::WorkflowInteractionError,
};

/// The source of all containers.
const URL: &str = "https://git.example.com/shop.git";

const PATIENCE: Duration = Duration::from_secs(30);

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

async fn progress(client: &Client, id: &str) -> Option<Progress> {
    let build = client.get_workflow_handle::<BuildApp>(id);
    build.query(BuildApp::progress, (), WorkflowQueryOptions::default()).await.ok()
}

async fn stands(client: &Client, id: &str, container: &str, state: State) {
    eventually(&format!("{container} to be {}", state.word()), PATIENCE, async || {
        let rows = progress(client, id).await?.containers;
        let row = rows.iter().find(|row| row.container == container)?;
        (row.state == state).then_some(())
    })
    .await;
}

async fn ask(client: &Client, id: &str, update: &str, payload: Value) {
    let build = client.get_workflow_handle::<UntypedWorkflow>(id);
    let options = WorkflowExecuteUpdateOptions::default();
    let asked = build.execute_update(UntypedUpdate::new(update), raw(&payload), options);
    tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time").expect(update);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_has_no_workflow() {
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
        let rows = progress(&client, &queue).await.expect("an answer").containers;
        assert!(rows.iter().all(|row| row.state == State::Done && row.reference.is_some()));
    })
    .await;
    assert_eq!(steps.wanted(), ["data/loader", "web/migrate", "web/server"], "each once");
    assert_eq!((steps.count("render"), steps.count("launch")), (0, 0));
    assert_eq!(steps.count("deliver"), 3, "packages are made of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_alone_builds_what_is_not_found() {
    let steps = FakeSteps::default().found("web/migrate");
    let document = json!({
        "app": "shop",
        "version": "1.0.0",
        "defaults": shop()["defaults"],
        "component": shop()["components"][0],
    });
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        end(&handle).await.output()
    })
    .await;
    let attempts: Vec<_> = output.images.iter().map(|image| image.attempts).collect();
    assert_eq!(attempts, [1, 0]);
    assert_eq!(steps.wanted(), ["web/migrate", "web/server"]);
    assert_eq!((steps.count("render web/server"), steps.count("render")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_is_asked_for_its_own_and_for_nothing_that_stands_on_others() {
    let steps = FakeSteps::default().found("web/base").found("data/loader");
    let mut document = shop();
    document["components"][0]["containers"] =
        json!([{"name": "base"}, {"name": "top", "from": "base"}]);
    document["components"][1]["containers"][1]["source"] =
        json!({"git": {"url": "https://git.example.com/other.git"}});
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images.len(), 4);
    assert_eq!(steps.count("fetch"), 2);
    assert_eq!(steps.wanted(), ["data/loader", "web/base"]);
    assert_eq!(steps.count("render web/top on web/base"), 1, "{:?}", steps.ran());
    assert_eq!(steps.count("render"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_before_it_was_found_holds() {
    let steps = FakeSteps::default().away(URL).found("web/server").found("web/migrate");
    let steps = steps.found("data/loader");
    let (kind, details) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        eventually("a fetch", PATIENCE, async || (steps.count("fetch") > 0).then_some(())).await;
        let of = |component: &str, container: &str| {
            json!({"component": component, "container": container})
        };
        ask(&client, &queue, "pause", of("web", "server")).await;
        ask(&client, &queue, "pause", of("data", "loader")).await;
        ask(&client, &queue, "cancel_container", of("web", "migrate")).await;
        steps.back();
        // Of its component another one goes on.
        let begun = async || has_workflow(&client, &queue, "data", "proxy").await.then_some(());
        eventually("the component to begin", PATIENCE, begun).await;
        stands(&client, &queue, "server", State::Paused).await;
        assert_eq!(steps.count("render"), 0, "both are held back");
        ask(&client, &queue, "resume", json!({})).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "ContainerCancelled");
    let failed: Vec<_> = details.failures.iter().map(|it| it.container.as_str()).collect();
    assert_eq!(failed, ["migrate"]);
    assert_eq!(details.images.len(), 3);
    assert_eq!(steps.count("render data/loader"), 1, "it is looked for again once it goes on");
    assert_eq!(steps.count("render"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_stays_when_another_is_tried_again() {
    let fails = vec![Failure::new(FailureType::BuildFailed, "exit code 7")];
    let steps = FakeSteps::default()
        .found("web/migrate")
        .fate("web/server", Fate::FailsUntil("4Gi".to_owned(), fails))
        .fate("data/loader", Fate::Queues);
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        stands(&client, &queue, "server", State::Failed).await;
        let retry = json!({
            "component": "web", "container": "server", "resources": {"memory": "4Gi"}
        });
        ask(&client, &queue, "retry_container", retry).await;
        stands(&client, &queue, "server", State::Done).await;
        steps.room();
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images.len(), 4);
    assert_eq!(steps.count("render web/migrate"), 0);
    assert_eq!(steps.count("launch web/server"), 2);
}
