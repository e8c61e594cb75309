//! What users decide about the containers of a running build.

use kilnworks_tests::{
    engine::{end, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{component, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent,
    failure::{Failure, FailureType},
    progress::State,
};
use serde_json::{Value, json};
use temporalio_common::data_converters::RawValue;

use super::ask::{ask, ask_raw, cancel, failure, query, ran, refused, stands, try_ask, web};

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_decision_is_refused_with_the_reason_and_blocks_nothing() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        ran(&steps, "await_build web/server", 1).await;
        let (id, part) = (queue.as_str(), format!("{queue}/web"));
        ran(&steps, "deliver data", 1).await;
        stands(&client, id, "data/loader", State::Done).await;
        stands(&client, &part, "migrate", State::Done).await;
        let both = [
            ("cancel_container", web("x"), "no container `web/x`; there are `web/server`"),
            ("cancel_container", json!({"component": "web"}), "missing field `container`"),
            ("cancel_container", json!(7), "the payload is refused"),
            ("cancel_container", web("migrate"), "`web/migrate` is done already"),
            ("retry_container", web("server"), "`web/server` is being built"),
            ("retry_container", web("migrate"), "nothing to try again"),
            (
                "retry_container",
                json!({"component": "web", "container": "server", "memory": "1Gi"}),
                "unknown field `memory`",
            ),
            ("pause", json!({"component": "wob"}), "no container `wob/*`"),
            ("resume", json!({}), "it is not paused"),
            ("approve", json!({}), "does not wait for approval"),
            ("approve", json!({"reject": " "}), "accepted is a reason"),
        ];
        for (update, payload, reason) in both {
            refused(&client, id, update, payload.clone(), reason).await;
            refused(&client, &part, update, payload, reason).await;
        }
        let mut hungry = web("server");
        hungry["resources"] = json!({"memory": "lots"});
        refused(&client, id, "retry_container", hungry, "resources.memory: `lots`").await;
        let done = json!({"component": "data", "container": "loader"});
        refused(&client, id, "cancel_container", done, "is done already").await;
        let broken = RawValue::new(Vec::new());
        let answer = ask_raw(&client, id, "cancel_container", broken).await.expect_err("refused");
        assert!(answer.contains("missing field"), "{answer}");
        cancel(&handle).await;
        let late = try_ask(&client, id, "pause", json!({})).await;
        assert!(late.is_err(), "a build that has ended takes no decision: {late:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_container_waits_for_a_decision_and_is_retried_with_more_memory() {
    let mut document = shop();
    document["onFailure"] = json!("wait");
    let log = Some("s3://kiln/logs/1".to_owned());
    let failures = vec![Failure { log, ..failure(FailureType::BuildFailed) }];
    let steps =
        FakeSteps::default().fate("web/server", Fate::FailsUntil("4Gi".to_owned(), failures));
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        stands(&client, &queue, "web/server", State::Undecided).await;
        let progress = query(&client, &queue, "progress").await.expect("an answer");
        let is_logged = |row: &Value| row["log"] == "s3://kiln/logs/1";
        let rows = progress["containers"].as_array().expect("rows");
        assert!(rows.iter().any(is_logged), "{progress}");
        let mut retry = web("server");
        retry["resources"] = json!({"memory": "4Gi"});
        let answer = ask(&client, &queue, "retry_container", retry).await;
        assert!(answer.contains("web/server") && answer.contains("4Gi"), "{answer}");
        let output = end(&handle).await.output();
        assert_eq!(output.images.len(), 4);
        assert!(output.package.is_some());
        assert_eq!(steps.count("launch web/server 4Gi"), 1);
        assert_eq!(steps.count("launch web/migrate"), 1, "the others are not built again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_stops_waiting_when_asked_or_when_the_whole_timeout_ends() {
    let mut document = component();
    document["onFailure"] = json!("wait");
    let failures = Fate::Fails(vec![failure(FailureType::BuildFailed); 9]);
    let steps = FakeSteps::default().fate("web/server", failures);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document.clone()).await;
        stands(&client, &queue, "server", State::Undecided).await;
        ask(&client, &queue, "retry_container", web("server")).await;
        ran(&steps, "launch web/server", 2).await;
        stands(&client, &queue, "server", State::Undecided).await;
        ask(&client, &queue, "cancel_container", web("server")).await;
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "BuildFailed", "the reason is the failure, not the cancel");
        assert_eq!(details.images.len(), 1);

        document["defaults"]["timeouts"] = json!({"whole": "3s"});
        let id = format!("{queue}-2");
        let handle = start(&client, BuildComponent::run, &queue, &id, document).await;
        assert_eq!(end(&handle).await.failure().0, "BuildFailed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_container_can_be_retried_while_the_others_build() {
    let failures = vec![failure(FailureType::BuildFailed)];
    let steps = FakeSteps::default()
        .fate("web/server", Fate::FailsUntil("4Gi".to_owned(), failures))
        .fate("data/loader", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        stands(&client, &queue, "web/server", State::Failed).await;
        let mut retry = web("server");
        retry["resources"] = json!({"memory": "4Gi"});
        ask(&client, &queue, "retry_container", retry).await;
        stands(&client, &queue, "web/server", State::Done).await;
        steps.make_room();
        assert_eq!(end(&handle).await.output().images.len(), 4);
        assert_eq!(steps.count("launch web/migrate"), 1, "its image is there");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_container_can_be_retried() {
    let steps =
        FakeSteps::default().fate("web/server", Fate::Queues).fate("web/migrate", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, component()).await;
        ran(&steps, "launch", 2).await;
        ask(&client, &queue, "cancel_container", web("server")).await;
        stands(&client, &queue, "server", State::Cancelled).await;
        refused(&client, &queue, "cancel_container", web("server"), "is cancelled already").await;
        ask(&client, &queue, "retry_container", web("server")).await;
        ran(&steps, "launch web/server", 2).await;
        steps.make_room();
        assert_eq!(end(&handle).await.output().images.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_a_build_that_waits_for_a_decision() {
    let mut document = component();
    document["onFailure"] = json!("wait");
    document["maxParallel"] = json!(1);
    let failures = Fate::Fails(vec![failure(FailureType::BuildFailed); 9]);
    let steps = FakeSteps::default().fate("web/server", failures).fate("web/migrate", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        stands(&client, &queue, "server", State::Undecided).await;
        ran(&steps, "await_build web/migrate", 1).await;
        cancel(&handle).await;
    })
    .await;
}
