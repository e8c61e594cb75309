//! Builds that share a Pod, against an API server that answers by script.

mod at_once;

use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    failure::FailureType,
    names,
    plan::Cache,
    steps::{CleanUpInput, LaunchInput, Launched, LaunchedKind},
};
use serde_json::{Value, json};

use super::{Share, leave::leave, members::Member};
use crate::{
    clean_up::{Made, clean_up, tidy_up},
    cluster::Cluster,
    engine::{Observer, Wish},
    error::failure_of,
    fixtures::{Call, Scenario, call, minimal, refusal, settings},
    launch::{Past, launch},
    log::Logs,
    object::{Object, Site},
    pod,
    settings::{LauncherKind, VolumeMount},
    store::{Access, volume::VolumeStore},
};

/// A build whose image may be used again.
fn keyed() -> LaunchInput {
    let mut input = minimal();
    input.build.reuse = Some("localhost:5000/team/kiln-cache".to_owned());
    input.rendered.key = Some("c0ffee".to_owned());
    input
}

/// An equal build of another app.
fn equal() -> LaunchInput {
    let mut input = keyed();
    input.id.app = "market".to_owned();
    input.id.workflow_id = "market/web/front".to_owned();
    input.id.run_id = "run-of-market".to_owned();
    input.build.repository = "localhost:5000/team/market-web-front".to_owned();
    input
}

fn cache(repo: &str, ttl: u64) -> Option<Cache> {
    Some(Cache { repo: repo.to_owned(), ttl })
}

fn instance() -> String {
    Site::new(settings(LauncherKind::Pod, None), "default", "kiln").unwrap().instance
}

fn share(input: &LaunchInput) -> Share {
    Share::of(&instance(), input).expect("it is shared")
}

fn name() -> String {
    share(&keyed()).name
}

/// The Pod that this build made to be shared.
fn made(by: &LaunchInput) -> Value {
    let site = Site::new(settings(LauncherKind::Pod, None), "default", "kiln").unwrap();
    let object = site.object(by, &Access::default(), Some(&share(by))).unwrap();
    let Object::Pod(pod) = object else { panic!("it is a Pod") };
    let mut pod = serde_json::to_value(pod).unwrap();
    pod["metadata"]["uid"] = json!("uid-1");
    pod["metadata"]["resourceVersion"] = json!("7");
    pod
}

/// The same after these joined it.
fn joined(mut pod: Value, by: &[&LaunchInput]) -> Value {
    for input in by {
        let member = share(input).member;
        pod["metadata"]["labels"][member.label()] = json!("");
        pod["metadata"]["annotations"][member.label()] = json!(member.text());
    }
    pod
}

/// The same after its executor ended.
fn ended(mut pod: Value, code: i32, message: &str) -> Value {
    pod["status"] = json!({"phase": if code == 0 { "Succeeded" } else { "Failed" },
    "containerStatuses": [{
        "name": "executor", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": code, "message": message}},
    }]});
    pod
}

/// The same while it is being deleted, with this much time left.
fn going(mut pod: Value, seconds: i64) -> Value {
    let now = Timestamp::now().as_second();
    pod["metadata"]["deletionTimestamp"] = json!(Timestamp::from_second(now + seconds).unwrap());
    pod
}

fn missing(name: &str) -> Call {
    call("GET", &format!("pods/{name}"), 404, refusal(404, "NotFound", "not found"))
}

/// The look for what an earlier run made alone.
fn alone(input: &LaunchInput) -> Call {
    missing(&pod::name(&input.id))
}

fn look(pod: &Value) -> Call {
    call("GET", &format!("pods/{}", name()), 200, pod.clone())
}

fn patch(code: u16, body: Value) -> Call {
    call("PATCH", &format!("pods/{}?", name()), code, body)
}

fn delete(code: u16, body: Value) -> Call {
    call("DELETE", &format!("pods/{}?", name()), code, body)
}

fn create(pod: &Value) -> Call {
    let seen = serde_json::from_value(pod.clone()).unwrap();
    Call { seen: Some(seen), ..call("POST", "pods?", 201, pod.clone()) }
}

fn conflict() -> Value {
    refusal(409, "Conflict", "it has been changed")
}

async fn run(
    cluster: &Cluster,
    input: LaunchInput,
    wish: impl AsyncFn() -> Wish,
) -> anyhow::Result<Launched> {
    run_after(cluster, input, Past::Some, wish).await
}

async fn run_after(
    cluster: &Cluster,
    input: LaunchInput,
    past: Past,
    wish: impl AsyncFn() -> Wish,
) -> anyhow::Result<Launched> {
    let (access, now) = (Access::default(), SystemTime::now());
    let mut observer = Observer::new(None, input.id.clone());
    launch(cluster, &access, input, past, &mut observer, now, wish).await
}

/// What a launch gives, and what it sent.
async fn launched(input: LaunchInput, calls: Vec<Call>) -> (Launched, Vec<Value>) {
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    let launched = run(&cluster, input, async || Wish::Outcome).await.unwrap();
    let sent = scenario.sent();
    scenario.end();
    (launched, sent)
}

#[test]
fn equal_attempts_have_one_name_and_no_others_do() {
    assert_eq!(share(&equal()).name, name());
    assert!(name().len() < 50, "{} is the name of a Job, too", name());
    let other = |change: fn(&mut LaunchInput)| {
        let mut input = equal();
        change(&mut input);
        Share::of(&instance(), &input).map(|share| share.name)
    };
    for (what, changed) in [
        ("key", other(|it| it.rendered.key = Some("another".to_owned()))),
        ("prefix", other(|it| it.build.reuse = Some("localhost:5000/kiln-cache".to_owned()))),
        ("Secret", other(|it| it.registry.secret = Some("push".to_owned()))),
        ("layers", other(|it| it.build.cache = cache("localhost:5000/team/layers", 60))),
        ("attempt", other(|it| it.id.attempt = 2)),
        ("platform", other(|it| it.build.platforms = vec!["linux/amd64".to_owned()])),
        ("installation", Share::of("another", &keyed()).map(|share| share.name)),
    ] {
        assert_ne!(changed.expect(what), name(), "{what}");
    }
    let layers = |repo: &str, ttl: u64| {
        let mut input = keyed();
        input.build.cache = cache(repo, ttl);
        share(&input).name
    };
    assert_eq!(layers("a", 60), layers("a", 60));
    assert_ne!(layers("a", 60), layers("b", 60));
    assert_ne!(layers("a", 60), layers("a", 61));
    assert_eq!(other(|it| it.rendered.key = None), None);
    assert_eq!(other(|it| it.build.reuse = None), None, "reuse: never");
}

/// One of several keeps its log elsewhere than one alone.
#[test]
fn one_of_several_platforms_shares_with_its_like() {
    let on = |platform: &str, of: &str| {
        let mut input = keyed();
        input.build.platforms = vec![platform.to_owned()];
        input.id.platform = of.to_owned();
        share(&input).name
    };
    let names = [on("linux/amd64", ""), on("linux/amd64", "linux/amd64"), on("linux/arm64", "")];
    assert!(!names[1..].contains(&names[0]) && names[1] != names[2], "{names:?}");
}

#[tokio::test]
async fn the_first_one_makes_it_with_itself_as_member() {
    let calls = vec![alone(&keyed()), missing(&name()), create(&made(&keyed()))];
    let (launched, sent) = launched(keyed(), calls).await;
    assert_eq!((launched.name, launched.joined), (name(), None));
    let meta = &sent[2]["metadata"];
    let member = share(&keyed()).member;
    assert_eq!(meta["name"], json!(name()));
    assert_eq!(meta["labels"][member.label()], "");
    assert_eq!(meta["labels"]["kiln.io/shared"], json!(share(&equal()).hash));
    let who: Member =
        serde_json::from_str(meta["annotations"][member.label()].as_str().unwrap()).unwrap();
    assert_eq!(who, member);
}

#[tokio::test]
async fn an_equal_one_joins_it_even_without_room() {
    let pod = made(&keyed());
    let others = [2, 3].map(|attempt| {
        let mut other = minimal();
        other.id.attempt = attempt;
        let site = settings(LauncherKind::Pod, None);
        pod::pod(&site, &instance(), &other, &Access::default(), None)
    });
    let calls = vec![alone(&equal()), look(&pod), look(&pod), patch(200, pod.clone())];
    let (scenario, cluster) = Scenario::new(others.into(), calls);
    let launched = run(&cluster, equal(), async || Wish::Outcome).await.unwrap();
    assert_eq!((launched.name.as_str(), launched.uid.as_str()), (name().as_str(), "uid-1"));
    let tag = keyed().attempt_tag();
    assert_eq!(launched.joined, Some(format!("localhost:5000/team/shop-web-front:{tag}")));
    let sent = &scenario.sent()[3]["metadata"];
    assert_eq!(sent["resourceVersion"], "7", "this version of it, and no other");
    assert_eq!(sent["labels"][share(&equal()).member.label()], "");
    scenario.end();
}

#[tokio::test]
async fn one_that_was_changed_is_looked_at_again() {
    let pod = made(&keyed());
    let calls = vec![
        alone(&equal()),
        look(&pod),
        look(&pod),
        patch(409, conflict()),
        look(&pod),
        look(&pod),
        patch(200, pod.clone()),
    ];
    assert!(launched(equal(), calls).await.0.joined.is_some());
}

#[tokio::test]
async fn of_two_that_create_at_once_one_joins() {
    let pod = made(&keyed());
    let taken = call("POST", "pods?", 409, refusal(409, "AlreadyExists", "it is there"));
    let calls = vec![
        alone(&equal()),
        missing(&name()),
        taken,
        look(&pod),
        look(&pod),
        patch(200, pod.clone()),
    ];
    assert!(launched(equal(), calls).await.0.joined.is_some());
}

#[tokio::test]
async fn one_that_waits_for_room_joins_what_comes_meanwhile() {
    let pod = made(&keyed());
    let full = refusal(403, "Forbidden", "exceeded quota: builds, limited: pods=1");
    let full = Call {
        seen: Some(serde_json::from_value(pod.clone()).unwrap()),
        ..call("POST", "pods?", 403, full)
    };
    let calls = vec![
        alone(&equal()),
        missing(&name()),
        full,
        look(&pod),
        look(&pod),
        patch(200, pod.clone()),
    ];
    assert!(launched(equal(), calls).await.0.joined.is_some());
}

#[tokio::test]
async fn run_again_each_finds_itself() {
    let pod = joined(made(&keyed()), &[&equal()]);
    for pod in [pod.clone(), ended(pod, 1, "it failed")] {
        let (launched_it, _) = launched(keyed(), vec![alone(&keyed()), look(&pod)]).await;
        assert_eq!(launched_it.joined, None);
        let (joined_it, _) = launched(equal(), vec![alone(&equal()), look(&pod)]).await;
        assert!(joined_it.joined.is_some());
        assert_eq!(launched_it.uid, joined_it.uid);
    }
}

#[tokio::test]
async fn what_pushed_its_image_is_joined() {
    let pod = ended(made(&keyed()), 0, &format!("sha256:{}", "a".repeat(64)));
    let calls = vec![alone(&equal()), look(&pod), look(&pod), patch(200, pod.clone())];
    assert!(launched(equal(), calls).await.0.joined.is_some());
}

#[tokio::test]
async fn what_failed_or_does_not_go_is_left_alone() {
    let own = pod::name(&equal().id);
    let failed = ended(made(&keyed()), 1, "exit status 7");
    let stuck = going(made(&keyed()), -60);
    for before in [vec![look(&failed), look(&failed)], vec![look(&stuck)]] {
        let mut mine = made(&equal());
        mine["metadata"]["name"] = json!(own);
        let first = std::iter::once(alone(&equal()));
        let calls = first.chain(before).chain([create(&mine)]).collect();
        let (launched, sent) = launched(equal(), calls).await;
        assert_eq!((launched.name, launched.joined), (own.clone(), None));
        let labels = sent.last().unwrap()["metadata"]["labels"].as_object().unwrap();
        assert!(!labels.keys().any(|label| label.contains("member") || label.contains("shared")));
        // Run again it finds that one, whatever else is there now.
        let again = call("GET", &format!("pods/{own}"), 200, mine);
        let (scenario, cluster) = Scenario::new(Vec::new(), vec![again]);
        run(&cluster, equal(), async || Wish::Outcome).await.unwrap();
        scenario.end();
    }
}

#[tokio::test]
async fn one_that_is_being_deleted_is_waited_for() {
    let pod = made(&equal());
    let calls =
        vec![alone(&equal()), look(&going(made(&keyed()), 30)), missing(&name()), create(&pod)];
    let (launched, _) = launched_slowly(calls).await;
    assert_eq!((launched.name, launched.joined), (name(), None));
}

/// As `launched`, while the watch shows what is there.
async fn launched_slowly(calls: Vec<Call>) -> (Launched, Vec<Value>) {
    let there = serde_json::from_value(made(&keyed())).unwrap();
    let (scenario, cluster) = Scenario::new(vec![there], calls);
    let launching = run(&cluster, equal(), async || Wish::Outcome);
    let launched = tokio::time::timeout(Duration::from_secs(20), launching).await;
    let sent = scenario.sent();
    scenario.end();
    (launched.expect("it does not wait for ever").unwrap(), sent)
}

#[tokio::test]
async fn another_one_of_that_name_is_a_conflict() {
    let mut pod = made(&keyed());
    pod["metadata"]["labels"]["kiln.io/shared"] = json!("another");
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![alone(&equal()), look(&pod)]);
    let error = run(&cluster, equal(), async || Wish::Outcome).await.unwrap_err();
    assert_eq!(failure_of(&error).unwrap().kind, FailureType::Conflict);
    scenario.end();
}

/// The engine wants the outcome when it is asked first, and not any more after that.
fn no_longer(asked: &Cell<u32>) -> impl AsyncFn() -> Wish {
    async || match asked.replace(asked.get() + 1) {
        0 => Wish::Outcome,
        _ => Wish::End,
    }
}

#[tokio::test]
async fn one_that_is_unwanted_does_not_stay_a_member() {
    let pod = made(&keyed());
    let both = joined(pod.clone(), &[&equal()]);
    let calls = vec![
        alone(&equal()),
        look(&pod),
        look(&pod),
        patch(200, both.clone()),
        look(&both),
        patch(200, pod.clone()),
    ];
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    run(&cluster, equal(), no_longer(&Cell::new(0))).await.unwrap_err();
    assert_eq!(left_by(&scenario.sent()[5]), share(&equal()).member.label());
    scenario.end();
    // One that is unwanted before it joins changes nothing.
    let (scenario, cluster) = Scenario::new(vec![], vec![alone(&equal()), look(&pod), look(&pod)]);
    run(&cluster, equal(), async || Wish::End).await.unwrap_err();
    scenario.end();
}

#[tokio::test]
async fn a_maker_that_is_unwanted_leaves_it_to_who_joined() {
    let pod = made(&keyed());
    let both = joined(pod.clone(), &[&equal()]);
    let calls = vec![
        alone(&keyed()),
        missing(&name()),
        create(&pod),
        look(&both),
        patch(200, both.clone()),
    ];
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    run(&cluster, keyed(), no_longer(&Cell::new(0))).await.unwrap_err();
    scenario.end();
}

/// Whose label and annotation a patch takes away.
fn left_by(patch: &Value) -> String {
    let (labels, annotations) = (&patch["metadata"]["labels"], &patch["metadata"]["annotations"]);
    assert_eq!(labels, annotations);
    let (name, value) = labels.as_object().unwrap().iter().next().unwrap();
    assert!(value.is_null());
    name.clone()
}

fn shared() -> Launched {
    Launched {
        kind: LaunchedKind::Pod,
        namespace: "builds".to_owned(),
        name: name(),
        uid: "uid-1".to_owned(),
        joined: None,
        key: None,
        built: None,
    }
}

/// What leaving sends.
async fn left(calls: Vec<Call>) -> Vec<Value> {
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    leave(&cluster, &shared(), &keyed().id.run_id).await.unwrap();
    let sent = scenario.sent();
    scenario.end();
    sent
}

#[tokio::test]
async fn one_of_two_leaves_and_the_last_one_deletes() {
    let alone = made(&keyed());
    let both = joined(alone.clone(), &[&equal()]);
    let sent = left(vec![look(&both), patch(200, both.clone())]).await;
    assert_eq!(left_by(&sent[1]), share(&keyed()).member.label());
    assert_eq!(sent[1]["metadata"]["resourceVersion"], "7");
    let sent = left(vec![look(&alone), delete(200, alone.clone())]).await;
    assert_eq!(sent[1]["preconditions"], json!({"uid": "uid-1", "resourceVersion": "7"}));
}

#[tokio::test]
async fn who_joins_while_the_last_one_leaves_keeps_it() {
    let alone = made(&keyed());
    let both = joined(alone.clone(), &[&equal()]);
    let calls = vec![look(&alone), delete(409, conflict()), look(&both), patch(200, both.clone())];
    left(calls).await;
    // And two that leave at once do not leave it behind.
    let calls = vec![look(&both), patch(409, conflict()), look(&alone), delete(200, alone.clone())];
    left(calls).await;
}

#[tokio::test]
async fn leaving_again_changes_nothing() {
    let others = joined(made(&equal()), &[]);
    let mut another = made(&keyed());
    another["metadata"]["uid"] = json!("uid-2");
    for there in [look(&others), look(&another), look(&going(made(&keyed()), 30)), missing(&name())]
    {
        left(vec![there]).await;
    }
}

fn listed(path: &str, items: Value) -> Call {
    let path = format!("/{path}?");
    let body = json!({"metadata": {}, "items": items});
    Call { path, ..call("GET", "", 200, body) }
}

const PODS: &str = "api/v1/namespaces/builds/pods";
const JOBS: &str = "apis/batch/v1/namespaces/builds/jobs";

async fn cleaned_up(launcher: LauncherKind, calls: Vec<Call>) {
    let (scenario, cluster) = Scenario::of(launcher, Vec::new(), calls);
    let dir = tempfile::tempdir().unwrap();
    let store = VolumeStore::open(dir.path(), VolumeMount::Claim("kiln".to_owned())).unwrap();
    let logs = Logs { store: &store, max_bytes: 1 << 20 };
    let Member { workflow_id, run_id } = share(&keyed()).member;
    let input = CleanUpInput { workflow_id, run_id, launching: false };
    clean_up(&cluster, logs, input).await.unwrap();
    scenario.end();
}

#[tokio::test]
async fn a_clean_up_leaves_what_is_shared() {
    let both = joined(made(&keyed()), &[&equal()]);
    let calls = vec![
        listed(PODS, json!([])),
        listed(JOBS, json!([])),
        listed(PODS, json!([both])),
        listed(JOBS, json!([])),
        look(&both),
        patch(200, both.clone()),
    ];
    cleaned_up(LauncherKind::Pod, calls).await;
}

#[tokio::test]
async fn a_tidy_up_leaves_what_is_shared_and_looks_for_nothing_else() {
    let both = joined(made(&keyed()), &[&equal()]);
    let calls = vec![look(&both), patch(200, both.clone())];
    let pod = serde_json::from_value(both.clone()).unwrap();
    let (scenario, cluster) = Scenario::new(vec![pod], calls);
    let directory = tempfile::tempdir().unwrap();
    let mount = VolumeMount::Claim("none".to_owned());
    let store = VolumeStore::open(directory.path(), mount).unwrap();
    let logs = Logs { store: &store, max_bytes: 1 << 20 };
    let launched = share(&keyed())
        .launched(LaunchedKind::Pod, &serde_json::from_value(both["metadata"].clone()).unwrap());
    let input = CleanUpInput {
        workflow_id: keyed().id.workflow_id,
        run_id: keyed().id.run_id,
        launching: false,
    };
    let made = Made { launched: &launched, is_kept: true, is_all: true };
    assert!(tidy_up(&cluster, logs, input, made).await);
    scenario.end();
}

#[tokio::test]
async fn the_first_run_joins_what_another_has_just_made() {
    let pod = made(&equal());
    let calls = vec![
        call("POST", "pods?", 409, refusal(409, "AlreadyExists", "it is there")),
        look(&pod),
        call("GET", &format!("pods/{}", name()), 200, pod.clone()),
        patch(200, joined(pod, &[&keyed()])),
    ];
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    let wish = async || Wish::Outcome;
    let launched = run_after(&cluster, keyed(), Past::None, wish).await.unwrap();
    assert!(launched.joined.is_some());
    scenario.end();
}

#[tokio::test]
async fn a_clean_up_leaves_a_job_and_not_its_pod() {
    let both = joined(made(&keyed()), &[&equal()]);
    let job = json!({"metadata": both["metadata"], "spec": {"template": {}}});
    let path = format!("/{JOBS}/{}", name());
    let calls = vec![
        listed(PODS, json!([])),
        listed(JOBS, json!([])),
        listed(PODS, json!([])),
        listed(JOBS, json!([job])),
        listed(PODS, json!([both])),
        Call { path: path.clone(), ..call("GET", "", 200, job.clone()) },
        Call { path, ..call("PATCH", "", 200, job.clone()) },
    ];
    cleaned_up(LauncherKind::Job, calls).await;
}

#[test]
fn who_shares_a_job_is_said_of_the_job_alone() {
    let site = Site::new(settings(LauncherKind::Job, None), "default", "kiln").unwrap();
    let share = Share::of(&site.instance, &keyed()).unwrap();
    let object = site.object(&keyed(), &Access::default(), Some(&share)).unwrap();
    let job = match object {
        Object::Job(job) => serde_json::to_value(job).unwrap(),
        Object::Pod(_) => panic!("it is a Job"),
    };
    let member = share.member.label();
    assert!(job["metadata"]["labels"].get(&member).is_some());
    assert!(job["metadata"]["annotations"].get(&member).is_some());
    let pod = job["spec"]["template"]["metadata"].to_string();
    assert!(!pod.contains(names::MEMBER_PREFIX), "{pod}");
    assert!(pod.contains("kiln.io/shared"), "{pod}");
}
