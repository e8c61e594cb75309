//! Further attempts of a build, by the class of the failure.

use kilnworks_tests::{
    engine::{end, eventually, history, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::container,
};
use kilnworks_workflows::{
    BuildContainer,
    failure::{Failure, FailureType},
};
use temporalio_client::Client;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

use super::ask::{PATIENCE, cancel, fails, failure, query, succeeds};

fn server_fails(failures: Vec<Failure>) -> FakeSteps {
    FakeSteps::default().fate("web/server", Fate::Fails(failures))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_pod_is_replaced_and_memory_grows_after_an_out_of_memory() {
    let steps =
        server_fails(vec![failure(FailureType::OutOfMemory), failure(FailureType::Evicted)]);
    let output = succeeds(&steps, BuildContainer::run, container()).await;
    assert_eq!(output.images[0].attempts, 3);
    assert_eq!(
        steps.notes("launch"),
        ["launch web/server 2Gi", "launch web/server 3Gi spare", "launch web/server 3Gi spare"]
    );
    let earlier: Vec<_> =
        output.images[0].earlier.iter().map(|one| (one.attempt, one.kind)).collect();
    assert_eq!(earlier, [(1, FailureType::OutOfMemory), (2, FailureType::Evicted)]);
    assert_eq!((steps.count("upload"), steps.count("tag"), steps.count("clean_up")), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_the_store_lost_is_uploaded_again() {
    let steps = server_fails(vec![failure(FailureType::StoreUnavailable)]);
    let output = succeeds(&steps, BuildContainer::run, container()).await;
    assert_eq!((output.images[0].attempts, steps.count("upload")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_failure_lists_the_earlier_attempts() {
    let steps = server_fails(vec![failure(FailureType::PodDeleted); 9]);
    let (kind, details) = fails(&steps, BuildContainer::run, container()).await;
    assert_eq!(kind, "PodDeleted");
    let earlier: Vec<_> = details.failures[0].earlier.iter().map(|one| one.attempt).collect();
    assert_eq!(earlier, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_step_of_a_dead_worker_is_scheduled_again_ahead_of_others() {
    for step in ["upload", "launch", "await_build"] {
        let fate = Fate::LosesWorkers(step, 2);
        let steps = FakeSteps::default().heartbeat(1).fate("web/server", fate);
        with_fakes(steps.clone(), async |client, queue| {
            let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
            assert_eq!(end(&handle).await.output().images[0].attempts, 1, "the same Pod");
            assert_eq!(priorities(&client, &queue, step).await[1..], [1, 1]);
        })
        .await;
        assert_eq!(steps.count(step), 3);
    }
}

/// The priority of each time that a step was scheduled.
async fn priorities(client: &Client, id: &str, step: &str) -> Vec<i32> {
    let scheduled =
        history(client, id).await.into_iter().filter_map(|event| match event.attributes? {
            Attributes::ActivityTaskScheduledEventAttributes(it) => Some(it),
            _ => None,
        });
    scheduled
        .filter(|it| it.activity_type.as_ref().is_some_and(|kind| kind.name == step))
        .map(|it| it.priority.map_or(0, |priority| priority.priority_key))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_kills_every_worker_ends_the_build() {
    let fate = Fate::LosesWorkers("upload", 99);
    let steps = FakeSteps::default().heartbeat(1).fate("web/server", fate);
    let (kind, details) = fails(&steps, BuildContainer::run, container()).await;
    assert_eq!(kind, "WorkerDied");
    let message = &details.failures[0].message;
    assert_eq!(message, "every worker that ran `upload` died during it");
    assert_eq!(steps.count("upload"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_can_be_cancelled_between_two_attempts() {
    let steps = server_fails(vec![failure(FailureType::RegistryUnavailable); 9]);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        eventually("the pause before the next attempt", PATIENCE, async || {
            let progress = query(&client, &queue, "progress").await?;
            let row = &progress["containers"][0];
            let is_reported = row["reason"].as_str()?.contains("RegistryUnavailable happened");
            (is_reported && row["state"] == "queued").then_some(())
        })
        .await;
        cancel(&handle).await;
    })
    .await;
    assert_eq!(steps.count("clean_up"), 1);
}
