//! The order of launches on a real Temporal server, with fake steps.

use std::time::Duration;

use kilnworks_tests::{
    engine::{end, eventually, start, with_fakes_within},
    fakes::FakeSteps,
    specs::container,
};
use kilnworks_workflows::BuildContainer;
use serde_json::{Value, json};
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowHandle};
use temporalio_common::HasWorkflowDefinition;

/// How many launches a worker runs at once.
const SLOTS: usize = 4;

/// Builds of one app.
const MANY: usize = 100;

/// A container of an app, with more fields.
fn one(app: &str, name: &str, more: &Value) -> Value {
    let mut document = container();
    document["app"] = json!(app);
    document["container"] = json!({"name": name});
    for (field, value) in more.as_object().expect("fields") {
        document["container"][field] = value.clone();
    }
    document
}

/// Waits until Temporal has queued the launch.
async fn is_queued<W: HasWorkflowDefinition>(handle: &WorkflowHandle<Client, W>) {
    eventually("its launch to be scheduled", Duration::from_secs(120), async || {
        let described = handle.describe(WorkflowDescribeOptions::default()).await.expect("it is");
        let mut steps = described.raw().pending_activities.iter();
        let launch = |name: &str| name == "launch";
        steps.any(|one| one.activity_type.as_ref().is_some_and(|it| launch(&it.name))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_builds_of_one_app_do_not_delay_others() {
    let steps = FakeSteps::default().full(SLOTS);
    let order =
        with_fakes_within(Duration::from_secs(300), steps.clone(), async |client, queue| {
            let mut handles = Vec::new();
            for number in 0..MANY {
                let (name, id) = (format!("many-{number}"), format!("{queue}-{number}"));
                let document = one("many", &name, &json!({}));
                handles.push(start(&client, BuildContainer::run, &queue, &id, document).await);
            }
            for handle in &handles {
                is_queued(handle).await;
            }
            let late = [
                ("other", "other", json!({})),
                ("many", "team", json!({"fairnessKey": "team"})),
                ("many", "urgent", json!({"priority": 2})),
                ("other", "idle", json!({"priority": 5})),
            ];
            let mut last = Vec::new();
            for (app, name, more) in late {
                let id = format!("{queue}-{name}");
                let document = one(app, name, &more);
                let handle = start(&client, BuildContainer::run, &queue, &id, document).await;
                is_queued(&handle).await;
                last.push(handle);
            }
            steps.make_room();
            for handle in handles.iter().chain(&last) {
                end(handle).await.output();
            }
            steps.notes("launch")
        })
        .await;
    let place = |name: &str| {
        let own = format!("launch web/{name} ");
        order.iter().position(|note| note.starts_with(&own)).expect("it was launched")
    };
    assert_eq!(order.len(), MANY + 4);
    // Temporal keeps a queue in partitions with turns of their own, so an early launch is not the first.
    for early in ["urgent", "other", "team"] {
        assert!(place(early) < MANY / 2, "{early} came as number {}", place(early));
    }
    assert!(place("idle") > MANY / 2, "idle came as number {}", place("idle"));
}
