//! Timeouts that a user extends while a build runs.

use kilnworks_tests::{
    engine::{activities, end, eventually, history, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{component, container},
};
use kilnworks_workflows::{BuildComponent, BuildContainer, progress::State};
use serde_json::{Value, json};
use temporalio_client::Client;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

use super::ask::{PATIENCE, ask, cancel, fails, ran, refused, stands, web};

fn more(timeout: &str, by: &str) -> Value {
    let mut payload = web("server");
    (payload["timeout"], payload["by"]) = (json!(timeout), json!(by));
    payload
}

/// The container, with one timeout.
fn limited(timeout: &str, time: &str) -> Value {
    let mut document = container();
    document["container"]["timeouts"] = json!({timeout: time});
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_extension_is_refused() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, component()).await;
        ran(&steps, "await_build web/server", 1).await;
        stands(&client, &queue, "migrate", State::Done).await;
        let refused = async |payload, reason| {
            refused(&client, &queue, "extend", payload, reason).await;
        };
        refused(more("building", "0s"), "by: `0s`; accepted is").await;
        refused(more("lunch", "1h"), "unknown variant `lunch`").await;
        let mut other = more("building", "1h");
        other["container"] = json!("migrate");
        refused(other, "is done already").await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_a_pod_starts_again_with_each_extended_timeout() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, component()).await;
        ran(&steps, "await_build web/server", 1).await;
        let timeouts = ["scheduling", "pulling", "building", "whole"];
        for (number, timeout) in timeouts.into_iter().enumerate() {
            let answer = ask(&client, &queue, "extend", more(timeout, "1h")).await;
            assert_eq!(answer, format!("extended: `web/server`, {timeout} by 1h"));
            ran(&steps, "await_build web/server", number + 2).await;
        }
        assert_eq!(steps.count("launch web/server"), 1, "the same Pod");
        cancel(&handle).await;
    })
    .await;
}

async fn timers(client: &Client, id: &str) -> usize {
    let is_timer = |it: &Attributes| matches!(it, Attributes::TimerStartedEventAttributes(_));
    let events = history(client, id).await;
    events.iter().filter(|event| event.attributes.as_ref().is_some_and(is_timer)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extended_whole_timeout_outlasts_the_planned_one() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let document = limited("whole", "5s");
        let handle = start(&client, BuildContainer::run, &queue, &queue, document).await;
        ran(&steps, "await_build web/server", 1).await;
        ask(&client, &queue, "extend", more("whole", "1h")).await;
        eventually("a timer of the remaining time", PATIENCE, async || {
            (timers(&client, &queue).await == 2).then_some(())
        })
        .await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_without_room_in_time_fails() {
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    let (kind, _) = fails(&steps, BuildContainer::run, limited("queued", "1s")).await;
    assert_eq!(kind, "QuotaExceeded");
    assert_eq!((steps.count("launch"), steps.count("clean_up")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_starts_again_where_the_queued_timeout_was_extended() {
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let document = limited("queued", "3s");
        let handle = start(&client, BuildContainer::run, &queue, &queue, document).await;
        ran(&steps, "launch web/server", 1).await;
        ask(&client, &queue, "extend", more("queued", "1h")).await;
        ran(&steps, "launch web/server", 2).await;
        steps.make_room();
        assert_eq!(end(&handle).await.output().images[0].attempts, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_outlasts_the_planned_whole_timeout_where_that_was_extended() {
    let steps = FakeSteps::default().unavailable_source("https://git.example.com/shop.git");
    with_fakes(steps.clone(), async |client, queue| {
        let document = limited("whole", "3s");
        let handle = start(&client, BuildContainer::run, &queue, &queue, document).await;
        ran(&steps, "fetch_source", 1).await;
        ask(&client, &queue, "extend", more("whole", "1h")).await;
        // The step has the planned timeout, and a minute.
        eventually("the step to be scheduled again", 3 * PATIENCE, async || {
            (activities(&client, &queue).await.len() == 2).then_some(())
        })
        .await;
        steps.restore_sources();
        assert_eq!(end(&handle).await.output().images[0].attempts, 1);
    })
    .await;
}
