//! The three workflows on a real engine, with fake steps: order, retries, failures, cancel.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate, digest},
    specs::{container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, Sweep,
    failure::{Failure, FailureType},
    progress::State,
};
use serde_json::json;
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{
    WorkflowCancelOptions, WorkflowGetResultOptions, WorkflowQueryOptions, WorkflowSignalOptions,
    WorkflowStartOptions,
};
use temporalio_common::data_converters::RawValue;

fn failure(kind: FailureType) -> Failure {
    Failure::new(kind, format!("{kind:?} happened"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_reports_and_a_wrong_one_ends_at_once() {
    let steps = FakeSteps::default();
    let (report, wrong) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, Sweep::run, &queue, &queue, json!({"dryRun": true})).await;
        let report = handle.get_result(WorkflowGetResultOptions::default()).await;
        let input = json!({"dryRun": true, "keep": "1s"});
        let handle = start(&client, Sweep::run, &queue, &queue, input).await;
        (report, handle.get_result(WorkflowGetResultOptions::default()).await)
    })
    .await;
    let report = report.expect("it is swept");
    assert!(report.dry_run);
    assert_eq!(report.contexts.bytes, 10);
    let Err(WorkflowGetResultError::Failed(error)) = wrong else {
        panic!("a sweep that is not understood fails: {wrong:?}");
    };
    assert!(format!("{error:?}").contains("InvalidSpec"), "{error:?}");
    assert_eq!(steps.ran(), ["sweep, dry run true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_becomes_images_in_plan_order() {
    let steps = FakeSteps::default();
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        end(&handle).await.output()
    })
    .await;
    let names: Vec<_> =
        output.images.iter().map(|it| format!("{}/{}", it.component, it.container)).collect();
    assert_eq!(names, ["web/server", "web/migrate", "data/proxy", "data/loader"]);
    assert!(output.images[1].init);
    assert_eq!(
        output.images[0].reference,
        format!("registry.example.com/shop/shop-web-server@{}", digest("web/server"))
    );
    assert_eq!(output.images[2].attempts, 0);
    assert!(output.package.unwrap().reference.ends_with("/shop:1"));
    assert_eq!(steps.count("fetch"), 1, "a source that three containers share is fetched once");
    assert_eq!(steps.count("launch"), 3);
    assert_eq!(steps.count("clean up"), 3);
    assert_eq!(steps.count("deliver"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_and_a_container_build_alone() {
    let steps = FakeSteps::default();
    with_fakes(steps.clone(), async |client, queue| {
        let document = json!({
            "app": "shop",
            "defaults": shop()["defaults"],
            "component": shop()["components"][0],
        });
        let id = format!("{queue}-component");
        let handle = start(&client, BuildComponent::run, &queue, &id, document).await;
        assert_eq!(end(&handle).await.output().images.len(), 2);
        let id = format!("{queue}-container");
        let handle = start(&client, BuildContainer::run, &queue, &id, container()).await;
        let output = end(&handle).await.output();
        assert_eq!(output.images[0].digest, digest("web/server"));
        assert_eq!(output.package, None);
    })
    .await;
    assert_eq!(steps.count("fetch"), 2, "without a parent each fetches for itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_document_ends_at_once_with_every_fault() {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let mut document = shop();
        document["components"][0]["name"] = json!("Web");
        document["components"][1]["containers"][1]["contextDir"] = json!("../up");
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "InvalidSpec");
        let message = &details.failures[0].message;
        assert!(message.contains("components[0].name: `Web`"), "{message}");
        assert!(message.contains("components[1].containers[1].contextDir: `../up`"), "{message}");
        for (index, document) in [json!([]), json!("text"), json!(7)].into_iter().enumerate() {
            let id = format!("{queue}-{index}");
            let handle = start(&client, BuildContainer::run, &queue, &id, document).await;
            assert_eq!(end(&handle).await.failure().0, "InvalidSpec");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_holds_nothing_up() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let nothing = || RawValue::new(Vec::new());
        let options = WorkflowStartOptions::new(&queue, format!("{queue}-empty")).build();
        let handle = client.start_workflow(BuildApp::run, nothing(), options).await.unwrap();
        assert_eq!(end(&handle).await.failure().0, "InvalidSpec");

        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        let options = WorkflowSignalOptions::default();
        handle.signal(BuildContainer::observed, nothing(), options).await.unwrap();
        eventually("it to be awaited", Duration::from_secs(30), async || {
            (steps.count("await web") == 1).then_some(())
        })
        .await;
        handle.cancel(WorkflowCancelOptions::default()).await.unwrap();
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_container_leaves_the_others_their_images() {
    let mut failed = failure(FailureType::BuildFailed);
    failed.exit_code = Some(7);
    let steps = FakeSteps::default().fate("web/server", Fate::Fails(vec![failed; 3]));
    let (kind, details) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "BuildFailed");
    assert_eq!(details.failures.len(), 1);
    assert_eq!(details.failures[0].container, "server");
    assert_eq!(details.failures[0].exit_code, Some(7));
    assert_eq!(details.images.len(), 3);
    assert_eq!(steps.count("launch web/server"), 1, "a failing instruction is not tried again");
    assert_eq!(steps.count("clean up"), 3);
    assert_eq!(steps.count("deliver shop"), 0, "an app with a hole is not delivered");
    assert_eq!(steps.count("deliver data"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_missing_fails_its_containers_only() {
    let mut document = shop();
    document["components"][1]["containers"][1]["source"] =
        json!({"git": {"url": "https://git.example.com/lost.git"}});
    let steps = FakeSteps::default().lost_source("https://git.example.com/lost.git");
    let (kind, details) = with_fakes(steps, async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "SourceNotFound");
    assert_eq!(details.failures[0].container, "loader");
    assert_eq!(details.images.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_holds_up_its_component_only() {
    const AWAY: &str = "https://git.example.com/away.git";
    let mut document = shop();
    document["components"][1]["containers"][1]["source"] = json!({"git": {"url": AWAY}});
    let steps = FakeSteps::default().away(AWAY);
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        eventually("the others to be built", Duration::from_secs(30), async || {
            (steps.count("deliver web") == 1).then_some(())
        })
        .await;
        assert_eq!(steps.count("launch data"), 0);
        steps.back();
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_pod_is_replaced_and_a_hungry_one_gets_more() {
    let fates = vec![failure(FailureType::OutOfMemory), failure(FailureType::Evicted)];
    let steps = FakeSteps::default().fate("web/server", Fate::Fails(fates));
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images[0].attempts, 3);
    let launches: Vec<_> =
        steps.ran().into_iter().filter(|note| note.starts_with("launch")).collect();
    assert_eq!(
        launches,
        ["launch web/server 2Gi", "launch web/server 3Gi spare", "launch web/server 3Gi spare"]
    );
    let earlier: Vec<_> =
        output.images[0].earlier.iter().map(|one| (one.attempt, one.kind)).collect();
    assert_eq!(earlier, [(1, FailureType::OutOfMemory), (2, FailureType::Evicted)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_failure_lists_the_attempts_before() {
    let steps = FakeSteps::default()
        .fate("web/server", Fate::Fails(vec![failure(FailureType::PodDeleted); 9]));
    let (kind, details) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "PodDeleted");
    let earlier: Vec<_> = details.failures[0].earlier.iter().map(|one| one.attempt).collect();
    assert_eq!(earlier, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_ends_the_others_where_the_spec_says_so() {
    let mut document = shop();
    document["failFast"] = json!(true);
    let steps = FakeSteps::default()
        .fate("web/server", Fate::Fails(vec![failure(FailureType::BuildFailed)]))
        .fate("web/migrate", Fate::Hangs)
        .fate("data/loader", Fate::Hangs);
    let (kind, details) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "BuildFailed", "not the cancel of the others");
    assert_eq!(details.failures.len(), 1);
    assert_eq!(details.failures[0].container, "server");
    assert_eq!(steps.count("clean up"), steps.count("launch"), "the cancelled ones clean up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_room_is_not_begun_after_a_failure() {
    let mut document = shop();
    document["failFast"] = json!(true);
    document["maxParallel"] = json!(1);
    let steps = FakeSteps::default()
        .fate("web/server", Fate::Fails(vec![failure(FailureType::BuildFailed)]));
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        assert_eq!(end(&handle).await.failure().0, "BuildFailed");
    })
    .await;
    assert_eq!(steps.count("launch"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_between_two_attempts_is_a_cancel() {
    let away = vec![failure(FailureType::RegistryUnavailable); 9];
    let steps = FakeSteps::default().fate("web/server", Fate::Fails(away));
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        eventually("the pause to be told", Duration::from_secs(30), async || {
            let options = WorkflowQueryOptions::default();
            let progress = handle.query(BuildContainer::progress, (), options).await.ok()?;
            let row = progress.containers.first()?;
            let told = row.reason.as_deref()?.contains("RegistryUnavailable happened");
            (told && row.state == State::Queued).then_some(())
        })
        .await;
        handle.cancel(WorkflowCancelOptions::default()).await.unwrap();
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
    assert_eq!(steps.count("clean up"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_clock_ends_a_build_and_cleans_up() {
    let steps = FakeSteps::default().fate("web/server", Fate::Hangs);
    let mut document = container();
    document["container"]["timeouts"] = json!({"whole": "2s"});
    let (kind, details) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, document).await;
        end(&handle).await.failure()
    })
    .await;
    assert_eq!(kind, "DeadlineExceeded");
    assert!(details.failures[0].message.contains("whole clock"), "{details:?}");
    assert_eq!(steps.count("clean up"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_every_container_and_cleans_up() {
    let steps =
        FakeSteps::default().fate("web/server", Fate::Hangs).fate("web/migrate", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, shop()).await;
        eventually("both to be awaited", Duration::from_secs(30), async || {
            let options = WorkflowQueryOptions::default();
            let progress = handle.query(BuildApp::progress, (), options).await.unwrap();
            let web = progress.containers.iter().filter(|row| row.component == "web");
            (web.filter(|row| row.state == State::Building).count() == 2).then_some(())
        })
        .await;
        assert_eq!(steps.count("await web"), 2);
        handle.cancel(WorkflowCancelOptions::default()).await.unwrap();
        assert!(matches!(end(&handle).await, End::Cancelled));
    })
    .await;
    assert_eq!(steps.count("clean up"), 3);
}
