//! Containers that are built from others: their order, and what a failed base means for them.

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate, digest},
    specs::shop,
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer,
    failure::{Failure, FailureType},
    progress::State,
};
use serde_json::{Value, json};
use temporalio_client::{WorkflowCancelOptions, WorkflowQueryOptions};

use super::ask::{PATIENCE, cancel, fails, succeeds};

/// An app of these components, each a name and its containers.
fn app(components: &[(&str, Value)]) -> Value {
    let mut document = shop();
    let components = components.iter().map(|(name, own)| json!({"name": name, "containers": own}));
    document["components"] = components.collect();
    document
}

/// `top` is built from `server`, and `server` from `base`. `other` is built from nothing.
fn tower() -> Value {
    json!([
        {"name": "top", "from": "server"},
        {"name": "server", "from": ["base"]},
        {"name": "other"},
        {"name": "base"},
    ])
}

fn broken(container: &str) -> FakeSteps {
    let failure = Failure::new(FailureType::BuildFailed, "exit code 7");
    FakeSteps::default().fate(container, Fate::Fails(vec![failure]))
}

/// The position of a step among those that ran.
fn at(steps: &FakeSteps, beginning: &str) -> usize {
    let ran = steps.ran();
    let found = ran.iter().position(|note| note.starts_with(beginning));
    found.unwrap_or_else(|| panic!("`{beginning}` is not among {ran:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_is_built_first_and_its_digest_is_passed_on() {
    let steps = FakeSteps::default();
    let document = app(&[
        ("jobs", json!([{"name": "runner", "from": ["web/base", "web/other"]}, {"name": "cron"}])),
        ("web", tower()),
    ]);
    let output = succeeds(&steps, BuildApp::run, document).await;
    let names: Vec<_> = output.images.iter().map(|it| it.container.as_str()).collect();
    assert_eq!(names, ["runner", "cron", "top", "server", "other", "base"], "in plan order");
    assert!(at(&steps, "await_build web/base") < at(&steps, "render web/server"));
    assert!(at(&steps, "await_build web/server") < at(&steps, "render web/top"));
    assert!(at(&steps, "deliver web") < at(&steps, "render jobs/cron"), "the whole component");
    let image = |name: &str| {
        let container = name.replace('/', "-");
        format!("{name} registry.example.com/shop/shop-{container}@{}", digest(name))
    };
    let (base, other) = (image("web/base"), image("web/other"));
    at(&steps, &format!("render web/server on {base}"));
    at(&steps, &format!("render web/top on {}", image("web/server")));
    at(&steps, &format!("render jobs/runner on {base}, {other}"));
    assert_eq!(steps.count("launch"), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_container_names_its_base_and_ends_with_a_cancel() {
    let steps = FakeSteps::default().fate("web/base", Fate::Hangs);
    let document =
        app(&[("web", tower()), ("jobs", json!([{"name": "runner", "from": "web/top"}]))]);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        eventually("the container without a base to be built", PATIENCE, async || {
            (steps.count("clean_up") == 1 && steps.count("await_build web/base") == 1).then_some(())
        })
        .await;
        let wanted = [(0, "for web/server"), (1, "for web/base"), (4, "for web/top")];
        let progress = handle.query(BuildApp::progress, (), WorkflowQueryOptions::default());
        let rows = progress.await.expect("an answer").containers;
        for (row, reason) in wanted {
            assert_eq!(rows[row].state, State::Waiting, "{:?}", rows[row]);
            assert_eq!(rows[row].reason.as_deref(), Some(reason));
        }
        let component = client.get_workflow_handle::<BuildComponent>(&format!("{queue}/web"));
        let rows = eventually("the other one to be done", PATIENCE, async || {
            let progress = component.query(BuildComponent::progress, (), Default::default());
            let rows = progress.await.ok()?.containers;
            (rows[2].state == State::Done).then_some(rows)
        })
        .await;
        assert_eq!(rows[1].state, State::Waiting);
        assert_eq!(rows[1].reason.as_deref(), Some("for web/base"));
        cancel(&handle).await;
    })
    .await;
    assert_eq!(steps.count("launch"), 2);
    assert_eq!(steps.count("clean_up"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_shows_when_a_container_stops_waiting() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let document = app(&[("web", tower())]);
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        eventually("it to be seen at work", PATIENCE, async || {
            let progress = handle.query(BuildApp::progress, (), WorkflowQueryOptions::default());
            let rows = progress.await.ok()?.containers;
            let states: Vec<_> = rows.iter().map(|row| row.state).collect();
            states.starts_with(&[State::Waiting, State::Packing]).then_some(())
        })
        .await;
        cancel(&handle).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_not_started_where_its_base_failed() {
    let steps = broken("web/base");
    let document = app(&[
        ("jobs", json!([{"name": "runner", "from": "web/base"}, {"name": "cron"}])),
        ("web", tower()),
        ("free", json!([{"name": "one", "from": "web/other"}])),
    ]);
    let (kind, details) = fails(&steps, BuildApp::run, document).await;
    assert_eq!(kind, "BuildFailed");
    let failures = details.failures.iter();
    let failures: Vec<_> =
        failures.map(|it| (it.container.as_str(), it.cause.as_deref())).collect();
    let base = Some("web/base");
    let expected = [
        ("base", None),
        ("runner", base),
        ("cron", base),
        ("top", Some("web/server")),
        ("server", base),
    ];
    assert_eq!(failures, expected, "the cause is first");
    assert!(details.failures.iter().all(|failure| failure.kind == FailureType::BuildFailed));
    let top = &details.failures[3].message;
    let whole = "not begun, as `web/server` failed, from which it is built: \
                 not begun, as `web/base` failed, from which it is built: exit code 7";
    assert_eq!(top, whole);
    let images: Vec<_> = details.images.iter().map(|image| image.container.as_str()).collect();
    assert_eq!(images, ["other", "one"], "a container whose base has an image is built");
    assert_eq!(steps.count("launch"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_fast_cancels_the_others_when_a_base_fails() {
    let steps = broken("web/base").fate("web/other", Fate::Hangs);
    let mut document =
        app(&[("web", tower()), ("jobs", json!([{"name": "runner", "from": "web/base"}]))]);
    document["failFast"] = json!(true);
    let (_, details) = fails(&steps, BuildApp::run, document).await;
    let failed: Vec<_> = details.failures.iter().map(|it| it.container.as_str()).collect();
    assert_eq!(failed, ["base"], "the others are cancelled");
    assert_eq!(steps.count("render"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_cancelled_where_its_base_is_cancelled() {
    let steps = FakeSteps::default().fate("web/base", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let document = app(&[("web", tower())]);
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        eventually("the base to be awaited", PATIENCE, async || {
            (steps.count("await_build web/base") == 1).then_some(())
        })
        .await;
        let base = client.get_workflow_handle::<BuildContainer>(&format!("{queue}/web/base"));
        base.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
    assert_eq!(steps.count("render web/server"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_holds_with_one_container_at_a_time() {
    let steps = FakeSteps::default();
    let mut document =
        app(&[("jobs", json!([{"name": "runner", "from": "web/top"}])), ("web", tower())]);
    document["maxParallel"] = json!(1);
    succeeds(&steps, BuildApp::run, document).await;
    let launched = steps.ran().into_iter().filter(|note| note.starts_with("launch"));
    let launched: Vec<_> = launched.collect();
    let names = ["web/other", "web/base", "web/server", "web/top", "jobs/runner"];
    let mut sorted = launched.clone();
    sorted.sort_by_key(|note| names.iter().position(|name| note.contains(name)));
    assert_eq!((launched.len(), &launched), (5, &sorted));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_holds_in_a_component_without_a_parent() {
    let steps = FakeSteps::default();
    with_fakes(steps.clone(), async |client, queue| {
        let document = json!({
            "app": "shop", "defaults": shop()["defaults"],
            "component": {"name": "web", "containers": tower()},
        });
        let handle = start(&client, BuildComponent::run, &queue, &queue, document).await;
        assert_eq!(end(&handle).await.output().images.len(), 4);
    })
    .await;
    assert!(at(&steps, "await_build web/base") < at(&steps, "render web/server"));
}
