//! What people decide about a running build, on a real engine with fake steps.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer,
    build::raw,
    failure::{Failure, FailureType},
    output::BuildOutput,
    progress::State,
};
use serde_json::{Value, json};
use temporalio_client::{
    Client, UntypedQuery, UntypedUpdate, UntypedWorkflow, WorkflowCancelOptions,
    WorkflowExecuteUpdateOptions, WorkflowFetchHistoryOptions, WorkflowHandle,
    WorkflowQueryOptions, errors::WorkflowUpdateError,
};
use temporalio_common::{
    HasWorkflowDefinition,
    data_converters::{PayloadConverter, RawValue},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn failure(kind: FailureType) -> Failure {
    Failure::new(kind, format!("{kind:?} happened"))
}

/// Asks for something, and gives the answer or the reason of the refusal.
async fn ask_raw(
    client: &Client,
    id: &str,
    update: &str,
    payload: RawValue,
) -> Result<String, String> {
    let build = client.get_workflow_handle::<UntypedWorkflow>(id);
    let options = WorkflowExecuteUpdateOptions::default();
    let asked = build.execute_update(UntypedUpdate::new(update), payload, options);
    match tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time") {
        Ok(answer) => Ok(answer.to_value(&PayloadConverter::serde_json())),
        Err(WorkflowUpdateError::Failed(failure)) => Err(failure.message.clone()),
        Err(error) => Err(error.to_string()),
    }
}

async fn ask(client: &Client, id: &str, update: &str, payload: Value) -> Result<String, String> {
    ask_raw(client, id, update, raw(&payload)).await
}

/// Asks for something that is refused, for this reason.
async fn refused(client: &Client, id: &str, update: &str, payload: Value, reason: &str) {
    let said = ask(client, id, update, payload).await.expect_err(update);
    assert!(said.contains(reason), "{update}: {said}");
}

async fn query(client: &Client, id: &str, name: &str) -> Option<Value> {
    let build = client.get_workflow_handle::<UntypedWorkflow>(id);
    let options = WorkflowQueryOptions::default();
    let answer = build.query(UntypedQuery::new(name), RawValue::new(Vec::new()), options).await;
    Some(answer.ok()?.to_value(&PayloadConverter::serde_json()))
}

/// Waits until a container, as its workflow tells it, is in a state.
async fn stands(client: &Client, id: &str, container: &str, state: State) {
    eventually(&format!("{container} to be {}", state.word()), PATIENCE, async || {
        let progress = query(client, id, "progress").await?;
        let rows = progress["containers"].as_array()?;
        let (of, name) = container.split_once('/').unwrap_or(("web", container));
        let row = rows.iter().find(|row| row["component"] == of && row["container"] == name)?;
        (row["state"] == json!(state)).then_some(())
    })
    .await;
}

async fn ran(steps: &FakeSteps, beginning: &str, times: usize) {
    eventually(&format!("`{beginning}` {times} times"), PATIENCE, async || {
        (steps.count(beginning) == times).then_some(())
    })
    .await;
}

fn component() -> Value {
    json!({"app": "shop", "defaults": shop()["defaults"], "component": shop()["components"][0]})
}

fn web(container: &str) -> Value {
    json!({"component": "web", "container": container})
}

async fn cancel<W>(handle: &WorkflowHandle<Client, W>)
where
    W: HasWorkflowDefinition<Output = BuildOutput>,
{
    handle.cancel(WorkflowCancelOptions::default()).await.expect("it is cancelled");
    assert!(matches!(end(handle).await, End::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told() {
    let steps = FakeSteps::default();
    with_fakes(steps, async |client, queue| {
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
async fn what_is_wrong_is_refused_with_the_reason_and_holds_nothing_up() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        ran(&steps, "await web/server", 1).await;
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
        let said = ask_raw(&client, id, "cancel_container", broken).await.expect_err("refused");
        assert!(said.contains("missing field"), "{said}");
        cancel(&handle).await;
        let late = ask(&client, id, "pause", json!({})).await;
        assert!(late.is_err(), "the end is the end: {late:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_launches_nothing_until_it_is_resumed() {
    let mut document = shop();
    document["maxParallel"] = json!(1);
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        ran(&steps, "await web/server", 1).await;
        let said = ask(&client, &queue, "pause", json!({})).await.expect("paused");
        assert!(said.contains("web/migrate") && said.contains("data/loader"), "{said}");
        refused(&client, &queue, "pause", json!({}), "paused already").await;
        for name in ["web/migrate", "data/proxy", "data/loader"] {
            stands(&client, &queue, name, State::Paused).await;
        }
        ask(&client, &queue, "cancel_container", web("server")).await.expect("cancelled");
        ran(&steps, "clean up", 1).await;
        ask(&client, &queue, "resume", json!({"component": "web"})).await.expect("resumed");
        ran(&steps, "launch web/migrate", 1).await;
        stands(&client, &queue, "web/migrate", State::Done).await;
        stands(&client, &queue, "data/loader", State::Paused).await;
        assert_eq!(steps.count("launch data"), 0);
        ask(&client, &queue, "resume", json!({})).await.expect("resumed");
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "ContainerCancelled");
        assert_eq!(details.failures.len(), 1);
        assert_eq!(details.images.len(), 3, "the others have theirs");
        assert_eq!(steps.count("launch"), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_waits_for_room_is_taken_back_and_goes_on_later() {
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        ran(&steps, "launch web/server", 1).await;
        ask(&client, &queue, "pause", json!({})).await.expect("paused");
        stands(&client, &queue, "server", State::Paused).await;
        refused(&client, &queue, "pause", json!({}), "paused already").await;
        steps.room();
        assert_eq!(steps.count("launch web/server"), 1);
        ask(&client, &queue, "resume", json!({})).await.expect("resumed");
        assert_eq!(end(&handle).await.output().images[0].attempts, 1);
        assert_eq!(steps.count("launch web/server"), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_tells_of_a_container_that_is_paused_in_the_queue() {
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        ran(&steps, "launch web/server", 1).await;
        stands(&client, &format!("{queue}/web"), "migrate", State::Done).await;
        ask(&client, &queue, "pause", web("server")).await.expect("paused");
        stands(&client, &queue, "web/server", State::Paused).await;
        steps.room();
        ask(&client, &queue, "resume", web("server")).await.expect("resumed");
        assert_eq!(end(&handle).await.output().images.len(), 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_container_waits_for_a_decision_and_gets_what_it_needs() {
    let mut document = shop();
    document["onFailure"] = json!("wait");
    let fails = vec![failure(FailureType::BuildFailed)];
    let steps = FakeSteps::default().fate("web/server", Fate::FailsUntil("4Gi".to_owned(), fails));
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        stands(&client, &queue, "web/server", State::Undecided).await;
        let mut retry = web("server");
        retry["resources"] = json!({"memory": "4Gi"});
        let said = ask(&client, &queue, "retry_container", retry).await.expect("tried again");
        assert!(said.contains("web/server") && said.contains("4Gi"), "{said}");
        let output = end(&handle).await.output();
        assert_eq!(output.images.len(), 4);
        assert!(output.package.is_some());
        assert_eq!(steps.count("launch web/server 4Gi"), 1);
        assert_eq!(steps.count("launch web/migrate"), 1, "the others are not built again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_waits_too_and_gives_up_when_asked_or_when_the_clock_ends() {
    let mut document = component();
    document["onFailure"] = json!("wait");
    let fails = Fate::Fails(vec![failure(FailureType::BuildFailed); 9]);
    let steps = FakeSteps::default().fate("web/server", fails);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document.clone()).await;
        stands(&client, &queue, "server", State::Undecided).await;
        ask(&client, &queue, "retry_container", web("server")).await.expect("tried again");
        ran(&steps, "launch web/server", 2).await;
        stands(&client, &queue, "server", State::Undecided).await;
        ask(&client, &queue, "cancel_container", web("server")).await.expect("given up");
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "BuildFailed", "what failed is told, not that it was given up");
        assert_eq!(details.images.len(), 1);

        document["defaults"]["timeouts"] = json!({"whole": "3s"});
        let id = format!("{queue}-2");
        let handle = start(&client, BuildComponent::run, &queue, &id, document).await;
        assert_eq!(end(&handle).await.failure().0, "BuildFailed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_container_is_tried_again_while_the_others_go_on() {
    let fails = vec![failure(FailureType::BuildFailed)];
    let steps = FakeSteps::default()
        .fate("web/server", Fate::FailsUntil("4Gi".to_owned(), fails))
        .fate("data/loader", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        stands(&client, &queue, "web/server", State::Failed).await;
        let mut retry = web("server");
        retry["resources"] = json!({"memory": "4Gi"});
        ask(&client, &queue, "retry_container", retry).await.expect("tried again");
        stands(&client, &queue, "web/server", State::Done).await;
        steps.room();
        assert_eq!(end(&handle).await.output().images.len(), 4);
        assert_eq!(steps.count("launch web/migrate"), 1, "its image is there");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_container_may_be_wanted_again() {
    let steps =
        FakeSteps::default().fate("web/server", Fate::Queues).fate("web/migrate", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, component()).await;
        ran(&steps, "launch", 2).await;
        ask(&client, &queue, "cancel_container", web("server")).await.expect("cancelled");
        stands(&client, &queue, "server", State::Cancelled).await;
        refused(&client, &queue, "cancel_container", web("server"), "is cancelled already").await;
        ask(&client, &queue, "retry_container", web("server")).await.expect("tried again");
        ran(&steps, "launch web/server", 2).await;
        steps.room();
        assert_eq!(end(&handle).await.output().images.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_waits_for_approval() {
    let mut document = shop();
    document["approval"] = json!("before-deliver");
    // Each build would have to differ from what is published under a version.
    document.as_object_mut().expect("an object").remove("version");
    let steps = FakeSteps::default();
    with_fakes(steps.clone(), async |client, queue| {
        let waits = async |id: String| {
            eventually("it to wait for approval", PATIENCE, async || {
                let progress = query(&client, &id, "progress").await?;
                (progress["waiting"] == "for approval").then_some(())
            })
            .await;
        };
        let handle = start(&client, BuildApp::run, &queue, &queue, document.clone()).await;
        waits(queue.clone()).await;
        assert_eq!(steps.count("deliver shop"), 0);
        refused(&client, &queue, "pause", json!({}), "every container has ended").await;
        ask(&client, &queue, "approve", json!({})).await.expect("approved");
        assert!(end(&handle).await.output().package.is_some());

        let id = format!("{queue}-2");
        let handle = start(&client, BuildApp::run, &queue, &id, document.clone()).await;
        waits(id.clone()).await;
        ask(&client, &id, "approve", json!({"reject": "not on a Friday"})).await.expect("rejected");
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "Rejected");
        assert!(details.failures[0].message.contains("not on a Friday"));
        assert_eq!(details.images.len(), 4);
        assert_eq!(steps.count("deliver shop"), 1);

        let id = format!("{queue}-3");
        let handle = start(&client, BuildApp::run, &queue, &id, document).await;
        waits(id.clone()).await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_cannot_both_end_the_others_and_be_waited_with() {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let mut document = shop();
        document["failFast"] = json!(true);
        document["onFailure"] = json!("wait");
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "InvalidSpec");
        assert!(details.failures[0].message.contains("onFailure: `wait`"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_is_extended_while_it_runs() {
    let mut document = component();
    document["defaults"]["timeouts"] = json!({"whole": "20s"});
    let steps = FakeSteps::default().full().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document.clone()).await;
        ran(&steps, "await web/server", 1).await;
        stands(&client, &queue, "migrate", State::Done).await;
        let extend = |clock, by: &str| {
            json!({"component": "web", "container": "server", "clock": clock, "by": by})
        };
        let refused = async |payload, reason| {
            refused(&client, &queue, "extend", payload, reason).await;
        };
        refused(extend("building", "0s"), "by: `0s`; accepted is").await;
        refused(extend("lunch", "1h"), "unknown variant `lunch`").await;
        let mut other = extend("building", "1h");
        other["container"] = json!("migrate");
        refused(other, "is done already").await;
        let said = ask(&client, &queue, "extend", extend("building", "1h")).await;
        assert_eq!(said.expect("more time"), "extended: `web/server`, building by 1h");
        ran(&steps, "await web/server", 2).await;
        assert_eq!(steps.count("launch web/server"), 1, "the same Pod");
        ask(&client, &queue, "extend", extend("whole", "1h")).await.expect("more time");
        ran(&steps, "await web/server", 3).await;
        let id = format!("{queue}/server");
        // The clock that was planned runs out meanwhile: a timer of the rest follows it.
        eventually("the second timer", 2 * PATIENCE, async || {
            let handle = client.get_workflow_handle::<BuildContainer>(&id);
            let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
            let history = String::from_utf8(history.to_json().await.ok()?).ok()?;
            (history.matches("TimerStartedEventAttributes").count() == 2).then_some(())
        })
        .await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_a_build_that_waits_for_a_decision_beside_one_that_runs() {
    let mut document = component();
    document["onFailure"] = json!("wait");
    document["maxParallel"] = json!(1);
    let fails = Fate::Fails(vec![failure(FailureType::BuildFailed); 9]);
    let steps = FakeSteps::default().fate("web/server", fails).fate("web/migrate", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        stands(&client, &queue, "server", State::Undecided).await;
        ran(&steps, "await web/migrate", 1).await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_ends_the_others_ends_a_paused_one_too() {
    let mut document = component();
    document["failFast"] = json!(true);
    document["maxParallel"] = json!(1);
    let fails = Fate::Fails(vec![failure(FailureType::BuildFailed); 9]);
    let steps = FakeSteps::default().fate("web/server", fails).hold_launches(4);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        ran(&steps, "launch web/server", 1).await;
        ask(&client, &queue, "pause", web("migrate")).await.expect("paused");
        steps.go();
        let ended = tokio::time::timeout(PATIENCE, end(&handle)).await.expect("its end");
        assert_eq!(ended.failure().0, "BuildFailed");
        assert_eq!(steps.count("launch web/migrate"), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_paused_and_then_cancelled_holds_up_nobody() {
    let mut document = shop();
    document["maxParallel"] = json!(2);
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document.clone()).await;
        ran(&steps, "launch web/server", 1).await;
        let data = document["components"][1]["containers"].as_array().expect("containers");
        for one in data {
            let name = one["name"].as_str().expect("a name");
            let which = json!({"component": "data", "container": name});
            ask(&client, &queue, "pause", which.clone()).await.expect("paused");
            ask(&client, &queue, "cancel_container", which).await.expect("cancelled");
        }
        steps.room();
        assert_eq!(end(&handle).await.failure().0, "ContainerCancelled");
    })
    .await;
}
