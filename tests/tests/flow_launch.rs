//! The step that launches a build and awaits it, and what follows where it cannot do both.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{container, shop},
};
use kilnworks_workflows::{
    BuildComponent, BuildContainer, build::raw, failure::FailureType, progress::State,
};
use serde_json::{Value, json};
use temporalio_client::{
    Client, UntypedUpdate, UntypedWorkflow, WorkflowCancelOptions, WorkflowExecuteUpdateOptions,
    WorkflowFetchHistoryOptions, WorkflowQueryOptions,
};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

fn component() -> Value {
    json!({"app": "shop", "defaults": shop()["defaults"], "component": shop()["components"][0]})
}

/// Builds the container, and gives how often it was launched and awaited, and the steps that the
/// engine has of it.
async fn built(steps: FakeSteps) -> (usize, usize, Vec<String>) {
    let known = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        assert_eq!(end(&handle).await.output().images[0].attempts, 1, "the same Pod");
        scheduled(&client, &queue).await
    })
    .await;
    assert_eq!(steps.count("clean up"), 1);
    (steps.count("launch web/server"), steps.count("await web/server"), known)
}

/// The names of the steps that a workflow had scheduled.
async fn scheduled(client: &Client, id: &str) -> Vec<String> {
    let build = client.get_workflow_handle::<UntypedWorkflow>(id);
    let history = build.fetch_history(WorkflowFetchHistoryOptions::default());
    let events = history.into_events().await.expect("its history");
    let names = events.into_iter().filter_map(|event| match event.attributes? {
        Attributes::ActivityTaskScheduledEventAttributes(scheduled) => {
            Some(scheduled.activity_type?.name)
        }
        _ => None,
    });
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_step_renders_and_builds_where_there_is_room() {
    assert_eq!(at_once(FakeSteps::default(), &["render"]).await, (1, 1));
    assert_eq!(alone(FakeSteps::default(), &["render", "launch"]).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_may_leave_the_wait_to_another_worker() {
    let steps = || FakeSteps::default().launching_alone();
    assert_eq!(at_once(steps(), &["render", "await_build"]).await, (1, 1));
    assert_eq!(alone(steps(), &["render", "launch", "await_build"]).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_worker_that_dies_the_pod_is_looked_up() {
    let lost = || FakeSteps::default().heartbeat(1).fate("web/server", Fate::LosesItsWorker);
    assert_eq!(at_once(lost(), &["render", "launch"]).await, (2, 2));
    assert_eq!(alone(lost(), &["render", "launch", "launch"]).await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_told_of_is_awaited_without_another_launch() {
    let lost = || FakeSteps::default().heartbeat(1).fate("web/server", Fate::LosesItsWorkerLate);
    assert_eq!(at_once(lost(), &["render", "await_build"]).await, (1, 2));
    assert_eq!(alone(lost(), &["render", "launch", "await_build"]).await, (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_one_that_a_heartbeat_has_named() {
    let lost = FakeSteps::default().heartbeat(1).fate("web/server", Fate::LosesItsWorkerHeard);
    assert_eq!(at_once(lost, &["render", "await_build"]).await, (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_it_made_before_its_worker_died_is_its_own() {
    let lost = FakeSteps::default().heartbeat(1).fate("web/server", Fate::LosesItsWorkerBuilt);
    assert_eq!(at_once(lost, &["render", "clean_up"]).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_made_of_older_bases_is_not_taken_for_what_is_rendered_anew() {
    let fates = [Fate::LosesItsWorker, Fate::LosesItsWorkerLate, Fate::LosesItsWorkerHeard];
    for fate in fates {
        let lost = FakeSteps::default().heartbeat(1).fate("web/server", fate);
        assert_eq!(at_once(lost.with_moving_bases(), &["render", "launch"]).await, (2, 2));
    }
}

/// Builds the container where there is room for it at once: how often it was launched and awaited.
async fn at_once(steps: FakeSteps, expected: &[&str]) -> (usize, usize) {
    let (launched, awaited, known) = built(steps).await;
    assert_eq!(known[1..], *expected, "after `fetch_source`");
    (launched, awaited)
}

/// The same where there is none.
async fn alone(steps: FakeSteps, expected: &[&str]) -> (usize, usize) {
    at_once(steps.full(), expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_builds_at_once_is_taken_back_while_its_pod_is_not_known() {
    let steps = FakeSteps::default().fate("web/server", Fate::HangsInSilence);
    let awaited = async |times| {
        eventually("its Pod", Duration::from_secs(30), async || {
            (steps.count("await web/server") == times).then_some(())
        })
        .await;
    };
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        awaited(1).await;
        for name in ["pause", "resume"] {
            let build = client.get_workflow_handle::<UntypedWorkflow>(&queue);
            let options = WorkflowExecuteUpdateOptions::default();
            let update = UntypedUpdate::new(name);
            build.execute_update(update, raw(&json!({})), options).await.expect("it is accepted");
        }
        awaited(2).await;
        handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
    let mut ran = steps.ran();
    ran.retain(|one| one.starts_with("render") || one.starts_with("launch"));
    let expected = ["render web/server", "launch web/server 2Gi", "render web/server"];
    assert_eq!(ran[..3], expected);
    assert_eq!(ran[3..], ["launch web/server 2Gi again"], "which finds its Pod by its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_runs_out_at_once_is_awaited_by_what_it_has_then() {
    let fate = Fate::FailsAtOnce(FailureType::DeadlineExceeded);
    let steps = FakeSteps::default().fate("web/server", fate);
    assert_eq!(at_once(steps, &["render", "await_build"]).await, (1, 2), "the same Pod");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_told_of_cannot_be_held_back() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        eventually("it to build", Duration::from_secs(30), async || {
            let options = WorkflowQueryOptions::default();
            let progress = handle.query(BuildContainer::progress, (), options).await.ok()?;
            (progress.containers.first()?.state == State::Building).then_some(())
        })
        .await;
        let update = UntypedUpdate::new("pause");
        let build = client.get_workflow_handle::<UntypedWorkflow>(&queue);
        let options = WorkflowExecuteUpdateOptions::default();
        let refused = build.execute_update(update, raw(&json!({})), options).await;
        let refused = format!("{:?}", refused.expect_err("it is refused"));
        assert!(refused.contains("it is launched already"), "{refused}");
        handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_waits_for_room_is_held_back_beside_one_that_builds() {
    let (amd, arm) = ("web/server linux/amd64", "web/server linux/arm64");
    let steps = FakeSteps::default().fate(amd, Fate::Hangs).fate(arm, Fate::Queues);
    let mut document = component();
    document["component"]["containers"][0]["platforms"] = json!(["linux/amd64", "linux/arm64"]);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        let states = async || {
            let options = WorkflowQueryOptions::default();
            let build = client.get_workflow_handle::<BuildContainer>(format!("{queue}/server"));
            let progress = build.query(BuildContainer::progress, (), options).await.ok()?;
            Some(
                progress
                    .containers
                    .first()?
                    .platforms
                    .iter()
                    .map(|one| one.state)
                    .collect::<Vec<_>>(),
            )
        };
        let stand = async |wanted: [State; 2]| {
            eventually(&format!("{wanted:?}"), Duration::from_secs(30), async || {
                (states().await? == wanted).then_some(())
            })
            .await;
        };
        stand([State::Building, State::Queued]).await;
        eventually("its launch", Duration::from_secs(30), async || {
            (steps.count(&format!("launch {arm}")) == 1).then_some(())
        })
        .await;
        for (update, state) in [("pause", State::Paused), ("resume", State::Queued)] {
            let build = client.get_workflow_handle::<UntypedWorkflow>(&queue);
            let asked = (UntypedUpdate::new(update), WorkflowExecuteUpdateOptions::default());
            let server = raw(&json!({"component": "web", "container": "server"}));
            build.execute_update(asked.0, server, asked.1).await.expect(update);
            stand([State::Building, state]).await;
        }
        eventually("its second launch", Duration::from_secs(30), async || {
            (steps.count(&format!("launch {arm}")) == 2).then_some(())
        })
        .await;
        assert_eq!(steps.count(&format!("await {amd}")), 1, "nothing held that one back");
        handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
}
