//! The step that launches a build and awaits it, and what follows where it cannot do both.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::container,
};
use kilnworks_workflows::{BuildContainer, build::raw, progress::State};
use serde_json::json;
use temporalio_client::{
    UntypedUpdate, UntypedWorkflow, WorkflowCancelOptions, WorkflowExecuteUpdateOptions,
    WorkflowQueryOptions,
};

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
            (progress.containers[0].state == State::Building).then_some(())
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
