//! Builds that a user cancels, and builds whose `whole` timeout runs out.

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{container, shop},
};
use kilnworks_workflows::{BuildApp, BuildContainer};
use serde_json::json;
use temporalio_client::WorkflowCancelOptions;

use super::ask::{PATIENCE, cancel, fails, query};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_every_container_and_cleans_up() {
    let steps =
        FakeSteps::default().fate("web/server", Fate::Hangs).fate("web/migrate", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        eventually("both containers to build", PATIENCE, async || {
            let progress = query(&client, &queue, "progress").await?;
            let rows = progress["containers"].as_array()?;
            let building = rows.iter().filter(|row| row["state"] == "building");
            (building.count() == 2).then_some(())
        })
        .await;
        assert_eq!(steps.count("await_build web"), 2);
        cancel(&handle).await;
    })
    .await;
    assert_eq!(steps.count("clean_up"), 3);
    assert_eq!(steps.count("tag web"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_while_the_launch_waits_for_room_cleans_up() {
    let steps = FakeSteps::default().fate("web/server", Fate::Queues);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        eventually("its launch", PATIENCE, async || (steps.count("launch") == 1).then_some(()))
            .await;
        handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
    let [clean_up] = steps.notes("clean_up").try_into().expect("one clean-up");
    assert!(clean_up.ends_with(" launching"), "the cancelled launch may still create its Pod");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_timeout_ends_a_build_and_cleans_up() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    let mut document = container();
    document["container"]["timeouts"] = json!({"whole": "2s"});
    let (kind, details) = fails(&steps, BuildContainer::run, document).await;
    assert_eq!(kind, "DeadlineExceeded");
    assert!(details.failures[0].message.contains("within 2s (whole)"), "{details:?}");
    assert_eq!((steps.count("clean_up"), steps.count("tag")), (1, 0));
}
