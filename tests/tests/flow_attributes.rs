//! What the workflows of containers are found by, on a real engine, with fake steps.

use std::collections::BTreeMap;

use kilnworks_tests::{
    engine::{end, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{container, shop},
};
use kilnworks_workflows::{
    BuildComponent, BuildContainer,
    failure::{Failure, FailureType},
};
use serde_json::json;
use temporalio_client::{Client, WorkflowDescribeOptions};

/// The search attributes of a workflow that has ended.
async fn found_by(client: &Client, id: &str) -> BTreeMap<String, String> {
    let handle = client.get_workflow_handle::<BuildContainer>(id);
    let described = handle.describe(WorkflowDescribeOptions::default()).await.expect("it is there");
    let info = described.raw().workflow_execution_info.as_ref().expect("its info");
    let attributes = info.search_attributes.clone().expect("some").indexed_fields;
    let word = |data: &[u8]| serde_json::from_slice(data).unwrap_or_default();
    attributes.into_iter().map(|(name, payload)| (name, word(&payload.data))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_a_component_says_how_it_ended_where_it_failed() {
    let failed = Failure::new(FailureType::BuildFailed, "it failed");
    let steps = FakeSteps::default().fate("web/migrate", Fate::Fails(vec![failed]));
    let component = json!({
        "app": "shop", "defaults": shop()["defaults"], "component": shop()["components"][0],
    });
    let (done, failed) = with_fakes(steps, async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, component).await;
        end(&handle).await.failure();
        let of = async |name| found_by(&client, &format!("{queue}/{name}")).await;
        (of("server").await, of("migrate").await)
    })
    .await;
    for (found_by, container) in [(&done, "server"), (&failed, "migrate")] {
        assert_eq!(found_by["KilnContainer"], container);
        assert_eq!(found_by["KilnCommit"].len(), 40, "{found_by:?}");
    }
    assert_eq!(failed["KilnOutcome"], "BuildFailed");
    assert!(!done.contains_key("KilnOutcome"), "its status says it: {done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_someone_started_says_how_it_ended_in_any_case() {
    let found_by = with_fakes(FakeSteps::default(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        end(&handle).await.output();
        found_by(&client, &queue).await
    })
    .await;
    assert_eq!(found_by["KilnOutcome"], "succeeded");
    assert_eq!(found_by["KilnCommit"].len(), 40, "{found_by:?}");
    assert_eq!(found_by["KilnContainer"], "server");
}
