//! Containers for several platforms: one Pod per platform, then one index.

use kilnworks_tests::{
    engine::{eventually, start, with_fakes},
    fakes::{FakeSteps, Fate, digest},
    specs::{container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildContainer,
    failure::FailureType,
    output::{ContainerImage, PlatformImage},
    progress::State,
};
use serde_json::{Value, json};
use temporalio_client::WorkflowQueryOptions;

use super::ask::{PATIENCE, cancel, fails, failure, succeeds};

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

fn failing(times: usize, kind: FailureType) -> Fate {
    Fate::Fails(vec![failure(kind); times])
}

async fn built(steps: &FakeSteps, document: Value) -> ContainerImage {
    succeeds(steps, BuildContainer::run, document).await.images.remove(0)
}

/// The steps that ran whose note begins with these words, sorted.
fn notes(steps: &FakeSteps, beginning: &str) -> Vec<String> {
    let mut notes = steps.notes(beginning);
    notes.sort();
    notes
}

#[tokio::test(flavor = "multi_thread")]
async fn each_platform_has_a_pod_and_all_share_one_index() {
    let steps = FakeSteps::default();
    let image = built(&steps, both()).await;
    assert_eq!(notes(&steps, "launch"), [format!("launch {AMD} 2Gi"), format!("launch {ARM} 2Gi")]);
    assert_eq!(
        notes(&steps, "await"),
        [format!("await_build {AMD}"), format!("await_build {ARM}")]
    );
    assert_eq!(notes(&steps, "index"), ["index web/server of linux/amd64,linux/arm64"]);
    for once in ["render", "find_image", "upload", "tag", "clean_up"] {
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
    assert_eq!((image.attempts, image.tags.as_slice()), (2, &["g0123456789ab".to_owned()][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_makes_the_same_image_as_none() {
    let (without, one) = (FakeSteps::default(), FakeSteps::default());
    let image = built(&without, container()).await;
    let same = built(&one, on(&["linux/amd64"])).await;
    let ran = |steps: &FakeSteps| -> Vec<_> {
        steps.ran().into_iter().filter(|note| !note.starts_with("clean_up")).collect()
    };
    assert_eq!(ran(&without), ran(&one));
    let times = image.times;
    assert_eq!(
        ContainerImage { times, made: None, ..same },
        ContainerImage { made: None, ..image }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_fails_ends_the_others_and_is_named() {
    let steps =
        FakeSteps::default().fate(AMD, Fate::Hangs).fate(ARM, failing(9, FailureType::BuildFailed));
    let (kind, details) = fails(&steps, BuildContainer::run, both()).await;
    assert_eq!(kind, "BuildFailed");
    let [failure] = details.failures.as_slice() else { panic!("one: {details:?}") };
    assert_eq!(failure.platform.as_deref(), Some("linux/arm64"));
    assert_eq!(failure.message, "linux/arm64: BuildFailed happened");
    assert_eq!((failure.component.as_str(), failure.container.as_str()), ("web", "server"));
    assert_eq!((steps.count("index"), steps.count("clean_up")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_platform_has_attempts_of_its_own() {
    let steps = FakeSteps::default().fate(ARM, failing(2, FailureType::OutOfMemory));
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
async fn a_platform_with_a_found_image_is_not_built() {
    let steps = FakeSteps::default().built(AMD);
    let image = built(&steps, both()).await;
    assert_eq!(notes(&steps, "launch"), [format!("launch {ARM} 2Gi")]);
    assert_eq!((image.attempts, image.platforms.len(), image.reused), (1, 2, false));
    assert_eq!(image.platforms[0].digest, digest(AMD));
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_with_found_images_need_only_their_index() {
    let steps = FakeSteps::default().built(AMD).built(ARM);
    let image = built(&steps, both()).await;
    assert_eq!((image.attempts, image.reused), (0, true));
    assert_eq!((steps.count("launch"), steps.count("index"), steps.count("tag")), (0, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_index_is_only_tagged() {
    let steps = FakeSteps::default().built("web/server");
    let image = built(&steps, both()).await;
    assert!(image.reused);
    for none in ["upload", "launch", "index", "clean_up"] {
        assert_eq!(steps.count(none), 0, "{none}");
    }
    assert_eq!(steps.count("tag"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_every_platform() {
    let steps = FakeSteps::default().fate(AMD, Fate::Hangs).fate(ARM, Fate::Hangs);
    with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildContainer::run, &queue, &queue, both()).await;
        let row = eventually("both to be awaited", PATIENCE, async || {
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
        cancel(&handle).await;
        let options = WorkflowQueryOptions::default();
        let progress = handle.query(BuildContainer::progress, (), options).await.expect("it");
        assert!(progress.containers[0].platforms.iter().all(|it| it.state == State::Cancelled));
    })
    .await;
    assert_eq!((steps.count("clean_up"), steps.count("index")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_timeout_ends_every_platform() {
    let steps = FakeSteps::default().fate(AMD, Fate::Hangs).fate(ARM, Fate::Hangs);
    let mut document = both();
    document["container"]["timeouts"] = json!({"whole": "2s"});
    let (kind, _) = fails(&steps, BuildContainer::run, document).await;
    assert_eq!(kind, "DeadlineExceeded");
    assert_eq!((steps.count("clean_up"), steps.count("index")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_built_from_several_platforms_gets_their_index() {
    let steps = FakeSteps::default();
    let mut document = shop();
    document["defaults"]["platforms"] = json!(["linux/amd64", "linux/arm64"]);
    document["components"] = json!([
        {"name": "web", "containers": [{"name": "top", "from": "base"}, {"name": "base"}]},
    ]);
    let output = succeeds(&steps, BuildApp::run, document).await;
    assert_eq!(output.images.len(), 2);
    let reference = &output.images[1].reference;
    assert_eq!(
        notes(&steps, "render web/top"),
        [format!("render web/top on web/base {reference}")]
    );
    assert_eq!((steps.count("launch"), steps.count("index")), (4, 2));
}
