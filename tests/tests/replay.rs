//! Every recorded history replays on the workflows as they are now.

use kilnworks_workflows::{BuildApp, BuildComponent, BuildContainer, ReserveVersion, Sweep};
use temporalio_client::WorkflowHistory;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_history_replays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/histories");
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).expect("the histories") {
        let path = entry.expect("a history").path();
        let history = std::fs::read(&path).expect("a history");
        let history = WorkflowHistory::from_json(&history).expect("a history of this SDK");
        if let Err(error) = replayer().replay_workflow(history).await {
            panic!("{}: {error}", path.display());
        }
        replayed += 1;
    }
    assert!(replayed >= 43, "only {replayed} histories");
}

fn replayer() -> WorkflowReplayer {
    let options = WorkflowReplayerOptions::new()
        .task_queue("kiln")
        .register_workflow::<BuildApp>()
        .and_then(|options| options.register_workflow::<BuildComponent>())
        .and_then(|options| options.register_workflow::<BuildContainer>())
        .and_then(|options| options.register_workflow::<ReserveVersion>())
        .and_then(|options| options.register_workflow::<Sweep>())
        .expect("the workflows register")
        .build();
    WorkflowReplayer::new(options).expect("a replayer")
}
