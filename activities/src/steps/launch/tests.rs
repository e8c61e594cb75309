//! Launches against an API server that answers by script.

mod clean_up;
mod equal_builds;
mod secrets;

use std::cell::Cell;

use k8s_openapi::api::core::v1::Pod;
use kilnworks_workflows::{
    failure::FailureType,
    steps::{AwaitInput, CleanUpInput, LaunchInput, Launched, LaunchedKind},
};
use serde_json::{Value, json};

use super::launch;
use crate::{
    cluster::Cluster,
    error::failure_of,
    fixtures::{Call, Scenario, call, full, minimal, refusal, settings},
    log::Logs,
    pod::{access::Access, equal, manifest, object::Site},
    settings::{LauncherKind, VolumeMount},
    steps::await_build::{Await, await_build},
    store::volume::VolumeStore,
    temporal::{Observer, StepStatus},
};

/// The Pod of the input as the API gives it back.
fn created(input: &LaunchInput) -> Pod {
    let settings = settings(LauncherKind::Pod, None);
    let site = Site::new(settings.clone(), "default", "kiln").unwrap();
    let mut pod = manifest::pod(&settings, &site.instance, input, &Access::default());
    pod.metadata.uid = Some(format!("uid-{}", input.id.attempt));
    pod
}

fn json_of(pod: &Pod) -> Value {
    serde_json::to_value(pod).unwrap()
}

fn look(code: u16, body: Value) -> Call {
    call("GET", &format!("pods/{}", minimal().pod_name()), code, body)
}

fn taken() -> Call {
    call("POST", "pods?", 409, refusal(409, "AlreadyExists", "it is there"))
}

/// Another attempt of the same build.
fn attempt(number: u32) -> LaunchInput {
    let mut other = minimal();
    other.id.attempt = number;
    other
}

fn create(pod: &Pod) -> Call {
    Call { seen: Some(pod.clone()), ..call("POST", "pods?", 201, json_of(pod)) }
}

async fn run(
    cluster: &Cluster,
    input: LaunchInput,
    status: impl AsyncFn() -> StepStatus,
) -> anyhow::Result<Launched> {
    let observer = Observer::silent(&input.id);
    launch(cluster, &Access::default(), &input, &observer, status).await
}

async fn wanted(cluster: &Cluster, input: LaunchInput) -> anyhow::Result<Launched> {
    run(cluster, input, async || StepStatus::Wanted).await
}

fn kind(error: &anyhow::Error) -> FailureType {
    failure_of(error).expect("a failure").kind
}

#[tokio::test]
async fn it_creates_one() {
    let pod = created(&minimal());
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![create(&pod)]);
    let launched = wanted(&cluster, minimal()).await.unwrap();
    assert_eq!(launched.uid, "uid-1");
    scenario.end();
}

#[tokio::test]
async fn it_asks_before_and_after_the_creation() {
    let pod = created(&minimal());
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![create(&pod)]);
    let asked = Cell::new(0);
    let status = async || {
        asked.set(asked.get() + 1);
        StepStatus::Wanted
    };
    run(&cluster, minimal(), status).await.unwrap();
    assert_eq!(asked.get(), 2);
    scenario.end();
}

#[tokio::test]
async fn it_finds_a_pod_of_its_name_by_the_refusal() {
    let pod = created(&minimal());
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![taken(), look(200, json_of(&pod))]);
    let launched = wanted(&cluster, minimal()).await.unwrap();
    assert_eq!((launched.uid.as_str(), launched.is_others), ("uid-1", false));
    scenario.end();
}

#[tokio::test]
async fn run_again_it_finds_the_first_even_without_room() {
    let pods = [1, 2, 3].map(|number| created(&attempt(number)));
    let (scenario, cluster) = Scenario::new(pods.into(), Vec::new());
    let launched = wanted(&cluster, minimal()).await.unwrap();
    assert_eq!(launched.uid, "uid-1");
    scenario.end();
}

#[tokio::test]
async fn a_pod_of_an_earlier_rendering_is_not_taken() {
    let mut earlier = minimal();
    earlier.rendered.dockerfile = "FROM earlier\n".to_owned();
    let pod = created(&minimal());
    let (scenario, cluster) = Scenario::new(vec![created(&earlier)], vec![create(&pod)]);
    let launched = wanted(&cluster, minimal()).await.unwrap();
    assert_eq!(launched.name, minimal().pod_name());
    scenario.end();
}

#[tokio::test]
async fn someone_elses_is_a_conflict() {
    let mut pod = created(&minimal());
    pod.metadata.labels.as_mut().unwrap().insert("kiln.io/run".to_owned(), "other".to_owned());
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![taken(), look(200, json_of(&pod))]);
    let error = wanted(&cluster, minimal()).await.unwrap_err();
    assert_eq!(kind(&error), FailureType::Conflict);
    scenario.end();
}

#[tokio::test]
async fn a_full_quota_is_waited_for() {
    let pod = created(&minimal());
    let full = refusal(403, "Forbidden", "pods \"x\" is forbidden: exceeded quota: builds");
    let calls = vec![call("POST", "pods?", 403, full), create(&pod)];
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    wanted(&cluster, minimal()).await.unwrap();
    scenario.end();
}

#[tokio::test]
async fn a_job_waits_for_the_quota_of_its_pod() {
    let pod = json_of(&created(&minimal()));
    let full = refusal(403, "Forbidden", "pods \"x\" is forbidden: exceeded quota: builds");
    let name = minimal().pod_name();
    let job = json!({
        "metadata": {"name": name, "uid": "uid-1"}, "spec": {"template": {"spec": null}},
    });
    let mut seen = created(&minimal());
    let owner = ("batch.kubernetes.io/controller-uid".to_owned(), "uid-1".to_owned());
    seen.metadata.labels.get_or_insert_default().extend([owner]);
    let jobs = |method, path: &str, code, body| Call {
        path: format!("/apis/batch/v1/namespaces/builds/{path}"),
        ..call(method, "", code, body)
    };
    let calls = vec![
        call("POST", "pods?&dryRun=All", 403, full),
        call("POST", "pods?&dryRun=All", 201, pod.clone()),
        Call { seen: Some(seen), ..jobs("POST", "jobs?", 201, job) },
    ];
    let (scenario, cluster) = Scenario::of(LauncherKind::Job, Vec::new(), calls);
    let launched = wanted(&cluster, minimal()).await.unwrap();
    assert_eq!(launched.kind, LaunchedKind::Job);
    scenario.end();
}

#[tokio::test]
async fn the_queued_timeout_expires_with_the_reason() {
    let full = refusal(403, "Forbidden", "exceeded quota: builds, limited: pods=1");
    let calls = vec![call("POST", "pods?", 403, full)];
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    let mut input = minimal();
    input.build.timeouts.queued = 0;
    let error = wanted(&cluster, input).await.unwrap_err();
    assert_eq!(kind(&error), FailureType::QuotaExceeded);
    assert!(error.to_string().ends_with("limited: pods=1"), "{error}");
    scenario.end();
}

#[tokio::test]
async fn it_waits_while_enough_builds_run() {
    let pod = created(&minimal());
    let running = [2, 3].map(|number| created(&attempt(number)));
    let mut done = running[0].clone();
    done.status = serde_json::from_value(json!({"phase": "Succeeded"})).unwrap();
    let (scenario, cluster) = Scenario::new(running.into(), vec![create(&pod)]);
    let (launched, ()) = tokio::join!(wanted(&cluster, minimal()), async {
        tokio::task::yield_now().await;
        scenario.see(done);
    });
    launched.unwrap();
    scenario.end();
}

#[tokio::test]
async fn an_unwanted_one_is_not_created() {
    let (scenario, cluster) = Scenario::new(Vec::new(), Vec::new());
    run(&cluster, minimal(), async || StepStatus::Unwanted).await.unwrap_err();
    scenario.end();
}

#[tokio::test]
async fn one_that_another_worker_has_handed_on_stays() {
    let pod = created(&minimal());
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![create(&pod)]);
    let asked = Cell::new(0);
    let status = async || match asked.replace(asked.get() + 1) {
        0 => StepStatus::Wanted,
        _ => StepStatus::Superseded,
    };
    run(&cluster, minimal(), status).await.unwrap();
    scenario.end();
}

#[tokio::test]
async fn one_that_is_unwanted_once_it_is_created_is_deleted() {
    let pod = created(&minimal());
    let name = minimal().pod_name();
    let delete = call("DELETE", &format!("pods/{name}"), 200, json_of(&pod));
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![create(&pod), delete]);
    let asked = Cell::new(0);
    let status = async || match asked.replace(asked.get() + 1) {
        0 => StepStatus::Wanted,
        _ => StepStatus::Unwanted,
    };
    run(&cluster, minimal(), status).await.unwrap_err();
    scenario.end();
}

#[tokio::test]
async fn refusals_have_a_type() {
    for (code, kind_of, expected) in [
        (422, "Invalid", FailureType::InvalidSpec),
        (403, "Forbidden", FailureType::ClusterUnavailable),
        (500, "InternalError", FailureType::ClusterUnavailable),
    ] {
        let calls = vec![call("POST", "pods?", code, refusal(code, kind_of, "no"))];
        let (scenario, cluster) = Scenario::new(Vec::new(), calls);
        let error = wanted(&cluster, minimal()).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{code}");
        scenario.end();
    }
}

/// A store in a directory of its own.
fn store() -> (tempfile::TempDir, VolumeStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = VolumeStore::open(dir.path(), VolumeMount::Claim("kiln".to_owned())).unwrap();
    (dir, store)
}

/// A Pod as its launch returns it.
fn launched(pod: &Pod) -> Launched {
    equal::launched(&pod.clone().into(), String::new(), false).expect("a Pod with a UID")
}

/// The worker runs steps on any of its threads.
#[tokio::test]
async fn steps_can_move_between_threads() {
    fn is_send(_: &impl Send) {}
    let (scenario, cluster) = Scenario::new(Vec::new(), Vec::new());
    let status = async || StepStatus::Wanted;
    is_send(&run(&cluster, minimal(), status));
    let registry = crate::registry::RegistryClient::new(cluster.client.clone(), "builds");
    let observer = Observer::silent(&minimal().id);
    let input = AwaitInput::of(&minimal(), launched(&created(&minimal())), String::new());
    let (_dir, store) = store();
    let logs = Logs { store: &store, max_bytes: 1 };
    let (registry, observer) = (&registry, &observer);
    let with = Await { cluster: &cluster, registry, logs, observer };
    let wait = await_build(with, &input, status);
    is_send(&wait);
    drop(wait);
    scenario.end();
}

#[tokio::test]
async fn a_place_is_taken_before_the_watch_shows_its_pod() {
    let (scenario, cluster) = Scenario::new(vec![created(&minimal())], Vec::new());
    let room = cluster.room(2).expect("one of two runs");
    assert_eq!(cluster.room(2).err(), Some(2), "the other place is taken");
    drop(room);
    let _room = cluster.room(2).expect("it is free again");
    scenario.end();
}

#[tokio::test]
async fn a_bell_rings_for_its_own_pod_alone() {
    let (own, other) = (created(&minimal()), created(&attempt(2)));
    let (scenario, cluster) = Scenario::new(vec![own.clone(), other.clone()], Vec::new());
    let launched = launched(&own);
    let (mut changes, seen) = (cluster.changes(), cluster.watched(&launched));
    assert!(seen.is_some());
    let changed = changes.next_of(&cluster, &launched, seen.as_deref());
    tokio::pin!(changed);
    assert!(futures::poll!(&mut changed).is_pending());
    scenario.see(other);
    assert!(futures::poll!(&mut changed).is_pending(), "it is another's");
    scenario.see(own);
    assert!(futures::poll!(&mut changed).is_ready());
    scenario.end();
}
