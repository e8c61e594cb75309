//! Pausing and resuming containers before their launch.

use kilnworks_tests::{
    engine::{end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{component, container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, failure::FailureType, progress::State,
};
use serde_json::{Value, json};
use temporalio_client::Client;

use super::ask::{PATIENCE, ask, cancel, failure, query, ran, refused, stands, web};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_launches_nothing_until_it_is_resumed() {
    let mut document = shop();
    document["maxParallel"] = json!(1);
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        ran(&steps, "await_build web/server", 1).await;
        let answer = ask(&client, &queue, "pause", json!({})).await;
        assert!(answer.contains("web/migrate") && answer.contains("data/loader"), "{answer}");
        refused(&client, &queue, "pause", json!({}), "paused already").await;
        for name in ["web/migrate", "data/proxy", "data/loader"] {
            stands(&client, &queue, name, State::Paused).await;
        }
        ask(&client, &queue, "cancel_container", web("server")).await;
        ran(&steps, "clean_up", 1).await;
        ask(&client, &queue, "resume", json!({"component": "web"})).await;
        ran(&steps, "launch web/migrate", 1).await;
        stands(&client, &queue, "web/migrate", State::Done).await;
        stands(&client, &queue, "data/loader", State::Paused).await;
        assert_eq!(steps.count("launch data"), 0);
        ask(&client, &queue, "resume", json!({})).await;
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "ContainerCancelled");
        assert_eq!(details.failures.len(), 1);
        assert_eq!(details.images.len(), 3);
        assert_eq!(steps.count("launch"), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_waits_for_room_can_be_paused_and_resumed() {
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        ran(&steps, "launch web/server", 1).await;
        ask(&client, &queue, "pause", json!({})).await;
        stands(&client, &queue, "server", State::Paused).await;
        refused(&client, &queue, "pause", json!({}), "paused already").await;
        steps.make_room();
        assert_eq!(steps.count("launch web/server"), 1);
        ask(&client, &queue, "resume", json!({})).await;
        assert_eq!(end(&handle).await.output().images[0].attempts, 1);
        assert_eq!(steps.count("launch web/server"), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_builds_cannot_be_paused() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        ran(&steps, "await_build web/server", 1).await;
        refused(&client, &queue, "pause", json!({}), "it is launched already").await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_shows_a_container_that_is_paused_in_the_queue() {
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        ran(&steps, "launch web/server", 1).await;
        stands(&client, &format!("{queue}/web"), "migrate", State::Done).await;
        ask(&client, &queue, "pause", web("server")).await;
        stands(&client, &queue, "web/server", State::Paused).await;
        steps.make_room();
        ask(&client, &queue, "resume", web("server")).await;
        assert_eq!(end(&handle).await.output().images.len(), 4);
    })
    .await;
}

/// The state of each platform of `web/server`.
async fn platforms(client: &Client, id: &str) -> Option<Vec<Value>> {
    let progress = query(client, id, "progress").await?;
    let platforms = progress["containers"][0]["platforms"].as_array()?;
    Some(platforms.iter().map(|one| one["state"].clone()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_is_paused_while_another_one_builds() {
    let (amd, arm) = ("web/server linux/amd64", "web/server linux/arm64");
    let steps = FakeSteps::default().fate(amd, Fate::Hangs).fate(arm, Fate::Queues);
    let mut document = component();
    document["component"]["containers"][0]["platforms"] = json!(["linux/amd64", "linux/arm64"]);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        let id = format!("{queue}/server");
        let stand = async |wanted: [State; 2]| {
            eventually(&format!("{wanted:?}"), PATIENCE, async || {
                (platforms(&client, &id).await? == wanted.map(|it| json!(it))).then_some(())
            })
            .await;
        };
        stand([State::Building, State::Queued]).await;
        ran(&steps, &format!("launch {arm}"), 1).await;
        for (update, state) in [("pause", State::Paused), ("resume", State::Queued)] {
            ask(&client, &queue, update, web("server")).await;
            stand([State::Building, state]).await;
        }
        ran(&steps, &format!("launch {arm}"), 2).await;
        assert_eq!(steps.count(&format!("await_build {amd}")), 1, "it builds on");
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_ends_a_paused_container_too() {
    let mut document = component();
    document["failFast"] = json!(true);
    document["maxParallel"] = json!(1);
    let failures = Fate::Fails(vec![failure(FailureType::BuildFailed); 9]);
    let steps = FakeSteps::default().fate("web/server", failures).full(4);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        ran(&steps, "launch web/server", 1).await;
        ask(&client, &queue, "pause", web("migrate")).await;
        steps.make_room();
        let ended = tokio::time::timeout(PATIENCE, end(&handle)).await.expect("its end");
        assert_eq!(ended.failure().0, "BuildFailed");
        assert_eq!(steps.count("launch web/migrate"), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_paused_and_then_cancelled_blocks_nothing() {
    let mut document = shop();
    document["maxParallel"] = json!(2);
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        ran(&steps, "launch web/server", 1).await;
        for name in ["proxy", "loader"] {
            let which = json!({"component": "data", "container": name});
            ask(&client, &queue, "pause", which.clone()).await;
            ask(&client, &queue, "cancel_container", which).await;
        }
        steps.make_room();
        assert_eq!(end(&handle).await.failure().0, "ContainerCancelled");
    })
    .await;
}
