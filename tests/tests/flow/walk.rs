//! The walk of one container, as its history shows it.

use kilnworks_tests::{
    engine::{activities, end, history, scheduled, start, with_fakes},
    fakes::{FakeSteps, Fate, digest, key},
    specs::{component, container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, failure::FailureType, names::child_workflow_id,
};
use serde_json::{Value, json};
use temporalio_client::Client;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

use super::ask::{ask, cancel, fails, failure, ran, succeeds, web};

/// Builds a container to its end, and returns the activities of its workflow.
async fn walk(steps: &FakeSteps, document: Value) -> Vec<String> {
    with_fakes(steps.clone(), async |client, queue| {
        end(&start(&client, BuildContainer::run, &queue, &queue, document).await).await;
        activities(&client, &queue).await
    })
    .await
}

const WALK: [&str; 8] =
    ["fetch_source", "render", "find_image", "upload", "launch", "await_build", "tag", "clean_up"];

#[tokio::test(flavor = "multi_thread")]
async fn a_container_goes_through_eight_steps_in_order() {
    let steps = FakeSteps::default();
    assert_eq!(walk(&steps, container()).await, WALK);
    let ran = steps.ran();
    let ran: Vec<_> = ran.iter().filter_map(|note| note.split(' ').next()).collect();
    assert_eq!(ran, WALK, "each step runs once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_does_not_fetch_the_source_that_its_parent_fetched() {
    let walk = with_fakes(FakeSteps::default(), async |client, queue| {
        let handle = start(&client, BuildComponent::run, &queue, &queue, component()).await;
        end(&handle).await.output();
        assert_eq!(activities(&client, &queue).await, ["fetch_source", "find_images", "deliver"]);
        activities(&client, &child_workflow_id(&queue, "server")).await
    })
    .await;
    assert_eq!(walk, WALK[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_image_is_only_tagged() {
    let steps = FakeSteps::default().built("web/server");
    assert_eq!(walk(&steps, container()).await, ["fetch_source", "render", "find_image", "tag"]);
    let [tagged] = steps.tagged().try_into().expect("one image is tagged");
    assert_eq!(tagged.from, "registry.example.com/shop/kiln-cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_may_not_reuse_images_looks_for_none() {
    let mut document = container();
    document["container"]["reuse"] = json!("never");
    let steps = FakeSteps::default().built("web/server");
    let mut expected = WALK.to_vec();
    expected.retain(|name| *name != "find_image");
    assert_eq!(walk(&steps, document).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_fails_in_await_build_and_is_cleaned_up() {
    let failures = vec![failure(FailureType::BuildFailed)];
    let steps = FakeSteps::default().fate("web/server", Fate::Fails(failures));
    let (all, failed) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, container()).await;
        assert_eq!(end(&handle).await.failure().0, "BuildFailed");
        (activities(&client, &queue).await, failed_activities(&client, &queue).await)
    })
    .await;
    let mut expected = WALK.to_vec();
    expected.retain(|name| *name != "tag");
    assert_eq!(all, expected);
    assert_eq!(failed, ["await_build"]);
}

/// The names of the activities that failed.
async fn failed_activities(client: &Client, id: &str) -> Vec<String> {
    let events = history(client, id).await;
    let failed = events.iter().filter_map(|event| match event.attributes.as_ref()? {
        Attributes::ActivityTaskFailedEventAttributes(it) => Some(it.scheduled_event_id),
        _ => None,
    });
    let name = |id| scheduled(events.iter().find(|event| event.event_id == id)?);
    failed.filter_map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_step_tag_writes_tags() {
    let steps = FakeSteps::default();
    let output = succeeds(&steps, BuildContainer::run, container()).await;
    let [tagged] = steps.tagged().try_into().expect("one image is tagged");
    assert_eq!(tagged.tags, output.images[0].tags);
    assert_eq!(tagged.digest, digest("web/server"));
    let keep = tagged.keep.expect("the image is kept for later builds");
    assert_eq!(keep.repository, "registry.example.com/shop/kiln-cache");
    assert_eq!(keep.key, key("web/server"));
    let [pushed] = steps.pushed().try_into().expect("the executor pushes one tag");
    let (repository, tag) = pushed.rsplit_once(':').expect("a tag");
    assert_eq!(repository, tagged.to);
    assert!(tag.starts_with("kiln-") && !tagged.tags.contains(&tag.to_owned()), "{pushed}");

    let failures = vec![failure(FailureType::BuildFailed)];
    let steps = FakeSteps::default().fate("web/server", Fate::Fails(failures));
    fails(&steps, BuildContainer::run, container()).await;
    assert!(steps.tagged().is_empty(), "a failed build writes none");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tags_of_an_app_are_those_of_its_images() {
    let steps = FakeSteps::default().found("web/migrate").built("data/loader");
    let output = succeeds(&steps, BuildApp::run, shop()).await;
    let tagged = steps.tagged();
    assert_eq!(tagged.len(), 3);
    for image in output.images.iter().filter(|image| image.container != "proxy") {
        let own = tagged.iter().find(|it| it.digest == image.digest).expect("its tags");
        assert_eq!((&own.tags, image.tags[0].as_str()), (&image.tags, "1.0.0"));
    }
}

/// The timers of a workflow that neither fired nor were cancelled.
async fn open_timers(client: &Client, id: &str) -> Vec<String> {
    let mut open = Vec::new();
    for event in history(client, id).await {
        match event.attributes.expect("its attributes") {
            Attributes::TimerStartedEventAttributes(timer) => open.push(timer.timer_id),
            Attributes::TimerFiredEventAttributes(timer) => open.retain(|it| *it != timer.timer_id),
            Attributes::TimerCanceledEventAttributes(timer) => {
                open.retain(|it| *it != timer.timer_id);
            }
            _ => {}
        }
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_has_ended_has_no_open_timer() {
    let failures = |kind| Fate::Fails(vec![failure(kind)]);
    let steps = FakeSteps::default()
        .fate("web/migrate", failures(FailureType::BuildFailed))
        .fate("web/late", Fate::Hangs)
        .fate("web/cancelled", Fate::Hangs)
        .fate("web/extended", Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let container_of = |name: &str, timeouts: Value| {
            let mut document = container();
            document["container"] = json!({"name": name, "timeouts": timeouts});
            document
        };
        let id = |name: &str| format!("{queue}-{name}");
        for name in ["server", "migrate", "late"] {
            let whole = if name == "late" { json!({"whole": "2s"}) } else { json!({}) };
            let document = container_of(name, whole);
            end(&start(&client, BuildContainer::run, &queue, &id(name), document).await).await;
        }
        for name in ["cancelled", "extended"] {
            let document = container_of(name, json!({}));
            let handle = start(&client, BuildContainer::run, &queue, &id(name), document).await;
            ran(&steps, &format!("await_build web/{name}"), 1).await;
            if name == "extended" {
                let mut extend = web(name);
                (extend["timeout"], extend["by"]) = (json!("whole"), json!("1h"));
                ask(&client, &id(name), "extend", extend).await;
            }
            cancel(&handle).await;
        }
        for name in ["server", "migrate", "late", "cancelled", "extended"] {
            let open = open_timers(&client, &id(name)).await;
            assert!(open.is_empty(), "{name}: {open:?}");
        }
    })
    .await;
}
