//! A container for several platforms, on a real engine with fake steps: a Pod each, then one index.

use std::time::Duration;

use kilnworks_tests::{
    engine::{End, end, eventually, start, with_fakes},
    fakes::{FakeSteps, Fate, digest},
    specs::{container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildContainer,
    failure::{Failure, FailureDetails, FailureType},
    output::{ContainerImage, PlatformImage},
    progress::State,
};
use serde_json::{Value, json};
use temporalio_client::{WorkflowCancelOptions, WorkflowQueryOptions};

const AMD: &str = "web/server linux/amd64";
const ARM: &str = "web/server linux/arm64";

/// One container for these platforms.
fn on(platforms: &[&str]) -> Value {
    let mut document = container();
    document["container"]["platforms"] = json!(platforms);
    document
}

fn both() -> Value {
    on(&["linux/arm64", "linux/amd64"])
}

fn fails(times: usize, kind: FailureType) -> Fate {
    Fate::Fails(vec![Failure::new(kind, format!("{kind:?} happened")); times])
}

async fn built(steps: &FakeSteps, document: Value) -> ContainerImage {
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, document).await;
        end(&handle).await.output()
    })
    .await;
    output.images.into_iter().next().expect("an image")
}

async fn failed(steps: &FakeSteps, document: Value) -> (String, FailureDetails) {
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, document).await;
        end(&handle).await.failure()
    })
    .await
}

/// The steps that ran whose note begins so, in the order of their notes.
fn notes(steps: &FakeSteps, beginning: &str) -> Vec<String> {
    let mut notes: Vec<_> =
        steps.ran().into_iter().filter(|note| note.starts_with(beginning)).collect();
    notes.sort();
    notes
}

#[tokio::test(flavor = "multi_thread")]
async fn each_platform_has_a_pod_and_all_have_one_index() {
    let steps = FakeSteps::default();
    let image = built(&steps, both()).await;
    assert_eq!(notes(&steps, "launch"), [format!("launch {AMD} 2Gi"), format!("launch {ARM} 2Gi")]);
    assert_eq!(notes(&steps, "await"), [format!("await {AMD}"), format!("await {ARM}")]);
    assert_eq!(notes(&steps, "index"), ["index web/server of linux/amd64,linux/arm64 as 1"]);
    for once in ["render", "upload", "clean up"] {
        assert_eq!(steps.count(once), 1, "{once}");
    }
    let of = |platform: &str, name: &str| PlatformImage {
        platform: platform.to_owned(),
        digest: digest(name),
        size: 1000,
    };
    assert_eq!(image.platforms, [of("linux/amd64", AMD), of("linux/arm64", ARM)]);
    assert_eq!((image.platform.as_str(), image.size), ("linux/amd64,linux/arm64", 2000));
    assert_eq!(image.digest, digest("web/server"), "the index's own");
    assert!(image.reference.ends_with(&image.digest), "{}", image.reference);
    assert_eq!((image.attempts, image.tags.as_slice()), (2, &["1".to_owned()][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_is_one_image_as_without_any() {
    let (without, one) = (FakeSteps::default(), FakeSteps::default());
    let image = built(&without, container()).await;
    let same = built(&one, on(&["linux/amd64"])).await;
    let ran = |steps: &FakeSteps| -> Vec<_> {
        steps.ran().into_iter().filter(|note| !note.starts_with("clean up")).collect()
    };
    assert_eq!(ran(&without), ran(&one));
    let times = image.times;
    assert_eq!(
        ContainerImage { times, made: None, ..same },
        ContainerImage { made: None, ..image }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_ends_the_others_and_is_named() {
    let steps =
        FakeSteps::default().fate(AMD, Fate::Hangs).fate(ARM, fails(9, FailureType::BuildFailed));
    let (kind, details) = failed(&steps, both()).await;
    assert_eq!(kind, "BuildFailed");
    let [failure] = details.failures.as_slice() else { panic!("one: {details:?}") };
    assert_eq!(failure.platform.as_deref(), Some("linux/arm64"));
    assert_eq!(failure.message, "linux/arm64: BuildFailed happened");
    assert_eq!((failure.component.as_str(), failure.container.as_str()), ("web", "server"));
    assert_eq!((steps.count("index"), steps.count("clean up")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_platform_has_attempts_of_its_own() {
    let steps = FakeSteps::default().fate(ARM, fails(2, FailureType::OutOfMemory));
    let image = built(&steps, both()).await;
    let launched = [
        format!("launch {AMD} 2Gi"),
        format!("launch {ARM} 2Gi"),
        format!("launch {ARM} 3Gi spare"),
        format!("launch {ARM} 4608Mi spare"),
    ];
    assert_eq!(notes(&steps, "launch"), launched);
    assert_eq!(image.attempts, 4);
    let earlier: Vec<_> =
        image.earlier.iter().map(|one| (one.attempt, one.platform.as_deref())).collect();
    assert_eq!(earlier, [(1, Some("linux/arm64")), (2, Some("linux/arm64"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_there_is_not_built_again() {
    let steps = FakeSteps::default().built(AMD);
    let image = built(&steps, both()).await;
    assert_eq!(notes(&steps, "launch"), [format!("launch {ARM} 2Gi")]);
    assert_eq!((image.attempts, image.platforms.len(), image.reused), (1, 2, false));
    assert_eq!(image.platforms[0].digest, digest(AMD));
    let steps = FakeSteps::default().built(AMD).built(ARM);
    let image = built(&steps, both()).await;
    assert!(image.reused);
    for none in ["upload", "launch", "index", "clean up"] {
        assert_eq!(steps.count(none), 0, "{none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_every_platform() {
    let steps = FakeSteps::default().fate(AMD, Fate::Hangs).fate(ARM, Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, both()).await;
        let row = eventually("both to be awaited", Duration::from_secs(30), async || {
            let options = WorkflowQueryOptions::default();
            let progress = handle.query(BuildContainer::progress, (), options).await.expect("it");
            let row = progress.containers.into_iter().next()?;
            row.platforms.iter().all(|one| one.state == State::Building).then_some(row)
        })
        .await;
        assert_eq!((row.state, row.attempt), (State::Building, 1));
        let words = "linux/amd64 building; linux/arm64 building";
        assert_eq!(row.reason.as_deref(), Some(words));
        assert!(row.platforms.iter().all(|one| one.state == State::Building), "{row:?}");
        handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
        assert!(matches!(end(&handle).await, End::Cancelled));
        let options = WorkflowQueryOptions::default();
        let progress = handle.query(BuildContainer::progress, (), options).await.expect("it");
        assert!(progress.containers[0].platforms.iter().all(|it| it.state == State::Cancelled));
    })
    .await;
    assert_eq!((steps.count("clean up"), steps.count("index")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_clock_ends_every_platform() {
    let steps = FakeSteps::default().fate(AMD, Fate::Hangs).fate(ARM, Fate::Hangs);
    let mut document = both();
    document["container"]["timeouts"] = json!({"whole": "2s"});
    let (kind, _) = failed(&steps, document).await;
    assert_eq!(kind, "DeadlineExceeded");
    assert_eq!((steps.count("clean up"), steps.count("index")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_built_from_an_index_gets_the_index() {
    let steps = FakeSteps::default();
    let mut document = shop();
    document["defaults"]["platforms"] = json!(["linux/amd64", "linux/arm64"]);
    document["components"] = json!([
        {"name": "web", "containers": [{"name": "top", "from": "base"}, {"name": "base"}]},
    ]);
    let output = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images.len(), 2);
    let reference = &output.images[1].reference;
    assert_eq!(
        notes(&steps, "render web/top"),
        [format!("render web/top on web/base {reference}")]
    );
    assert_eq!((steps.count("launch"), steps.count("index")), (4, 2));
}
