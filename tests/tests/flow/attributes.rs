//! The search attributes of containers.

use std::collections::BTreeMap;

use kilnworks_tests::{
    engine::{end, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{component, container},
};
use kilnworks_workflows::{
    BuildComponent, BuildContainer,
    failure::{Failure, FailureType},
};
use temporalio_client::{Client, WorkflowDescribeOptions};

/// The search attributes of a workflow that has ended.
async fn attributes(client: &Client, id: &str) -> BTreeMap<String, String> {
    let handle = client.get_workflow_handle::<BuildContainer>(id);
    let described = handle.describe(WorkflowDescribeOptions::default()).await.expect("it is there");
    let info = described.raw().workflow_execution_info.as_ref().expect("its info");
    let attributes = info.search_attributes.clone().expect("some").indexed_fields;
    let word = |data: &[u8]| serde_json::from_slice(data).unwrap_or_default();
    attributes.into_iter().map(|(name, payload)| (name, word(&payload.data))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_of_a_component_has_its_outcome_and_commit() {
    let failed = Failure::new(FailureType::BuildFailed, "it failed");
    let steps = FakeSteps::default().fate("web/migrate", Fate::Fails(vec![failed]));
    let (done, failed) = with_fakes(steps, async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, component()).await;
        end(&handle).await.failure();
        let of = async |name| attributes(&client, &format!("{queue}/{name}")).await;
        (of("server").await, of("migrate").await)
    })
    .await;
    for (attributes, container) in [(&done, "server"), (&failed, "migrate")] {
        assert_eq!(attributes["KilnContainer"], container);
        assert_eq!(attributes["KilnCommit"].len(), 40, "{attributes:?}");
    }
    assert_eq!(failed["KilnOutcome"], "BuildFailed");
    assert_eq!(done["KilnOutcome"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_parent_has_its_outcome_and_commit() {
    let attributes = with_fakes(FakeSteps::default(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        end(&handle).await.output();
        attributes(&client, &queue).await
    })
    .await;
    assert_eq!(attributes["KilnOutcome"], "succeeded");
    assert_eq!(attributes["KilnCommit"].len(), 40, "{attributes:?}");
    assert_eq!(attributes["KilnContainer"], "server");
}
