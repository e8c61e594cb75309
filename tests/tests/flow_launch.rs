//! The step that launches a build and awaits it, and what follows where it cannot do both.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{container, shop},
};
use kilnworks_workflows::{BuildComponent, BuildContainer, build::raw, progress::State};
use serde_json::{Value, json};
use temporalio_client::{
    UntypedUpdate, UntypedWorkflow, WorkflowCancelOptions, WorkflowExecuteUpdateOptions,
    WorkflowQueryOptions,
};

fn component() -> Value {
    json!({"app": "shop", "defaults": shop()["defaults"], "component": shop()["components"][0]})
}

/// Builds the container, and gives how often it was launched and awaited.
async fn built(steps: FakeSteps) -> (usize, usize) {
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        assert_eq!(end(&handle).await.output().images[0].attempts, 1, "the same Pod");
    })
    .await;
    assert_eq!(steps.count("clean up"), 1);
    (steps.count("launch web/server"), steps.count("await web/server"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_step_launches_and_awaits() {
    assert_eq!(built(FakeSteps::default()).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_may_leave_the_wait_to_another_worker() {
    assert_eq!(built(FakeSteps::default().launching_alone()).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_worker_that_dies_the_pod_is_looked_up() {
    let lost = FakeSteps::default().heartbeat(1).fate("web/server", Fate::LosesItsWorker);
    assert_eq!(built(lost).await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_told_of_is_awaited_without_another_launch() {
    let lost = FakeSteps::default().heartbeat(1).fate("web/server", Fate::LosesItsWorkerLate);
    assert_eq!(built(lost).await, (1, 2));
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
