//! Sweeps against an API server that answers by script and a store in a directory.

use std::{
    fs::File,
    path::Path,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::steps::{Amount, SweepInput, SweepReport};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    orphan::{Owner, OwnerState},
    sweep,
};
use crate::{
    cluster::Cluster,
    error::Unanswered,
    fixtures::{Call, Scenario, call, refusal},
    log::Logs,
    settings::{SweepSettings, VolumeMount},
    store::{
        ContextStore,
        retention::{SHORTEST_OF_CONTEXTS, SHORTEST_OF_LOGS, context_key_at},
        volume::VolumeStore,
    },
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A store, and the owners that Temporal was asked about.
struct Neighbours {
    dir: TempDir,
    store: VolumeStore,
    asked: Mutex<Vec<String>>,
}

impl Neighbours {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mount = VolumeMount::Claim("kiln".to_owned());
        let store = VolumeStore::open(dir.path(), mount).unwrap();
        Self { dir, store, asked: Mutex::default() }
    }

    /// Puts ten bytes of this age.
    async fn put(&self, key: &str, age: Duration) {
        self.store.write(key, b"0123456789".to_vec()).await.unwrap();
        make_older(&self.dir.path().join(key), age);
    }

    async fn has(&self, key: &str) -> bool {
        self.store.find(key).await.unwrap().is_some()
    }

    /// Sweeps while Temporal knows that `runs` runs, that `ended` ended, and nothing else.
    async fn sweep(&self, cluster: &Cluster, dry_run: bool) -> anyhow::Result<SweepReport> {
        let settings = SweepSettings {
            after: HOUR,
            keep_contexts: SHORTEST_OF_CONTEXTS,
            keep_logs: SHORTEST_OF_LOGS,
        };
        let ask = |owner: Owner| {
            self.asked.lock().unwrap().push(owner.workflow_id.clone());
            async move {
                Ok(match owner.workflow_id.as_str() {
                    "runs" => OwnerState::Running,
                    "ended" => OwnerState::Closed(ago(HOUR)),
                    "away" => return Err(Unanswered("no answer".to_owned()).into()),
                    _ => OwnerState::Unknown,
                })
            }
        };
        let logs = Logs { store: &self.store, max_bytes: 1 << 20 };
        sweep(cluster, logs, &settings, SweepInput { dry_run }, ask).await
    }
}

fn make_older(path: &Path, age: Duration) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn ago(age: Duration) -> Timestamp {
    Timestamp::try_from(SystemTime::now() - age).unwrap()
}

/// The metadata of an object that is two hours old.
fn object(name: &str, workflow: &str) -> Value {
    json!({"metadata": {
        "name": name,
        "uid": format!("uid-{name}"),
        "creationTimestamp": ago(2 * HOUR),
        "labels": {"kiln.io/run": "r1"},
        "annotations": {"kiln.io/workflow-id": workflow},
    }})
}

fn page(items: Vec<Value>, next: &str) -> Value {
    let (kind, version) = ("PartialObjectMetadataList", "meta.k8s.io/v1");
    json!({"kind": kind, "apiVersion": version, "metadata": {"continue": next}, "items": items})
}

fn jobs(method: &'static str, path: &str, code: u16, body: Value) -> Call {
    let path = format!("/apis/batch/v1/namespaces/builds/{path}");
    Call { path, ..call(method, "", code, body) }
}

fn nothing() -> Vec<Call> {
    vec![jobs("GET", "jobs?", 200, page(vec![], "")), call("GET", "pods?", 200, page(vec![], ""))]
}

fn done() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})
}

fn names(objects: &kilnworks_workflows::steps::Objects) -> Vec<String> {
    let named = objects.named.iter();
    named.map(|one| format!("{} {}: {}", one.kind, one.name, one.reason)).collect()
}

fn listed() -> Vec<Call> {
    let mut young = object("young", "gone");
    young["metadata"]["creationTimestamp"] = json!(ago(HOUR / 2));
    let mut going = object("going", "ended");
    going["metadata"]["deletionTimestamp"] = json!(ago(Duration::from_secs(20)));
    let mut stuck = object("stuck", "ended");
    stuck["metadata"]["deletionTimestamp"] = json!(ago(HOUR));
    let mut foreign = object("foreign", "");
    foreign["metadata"]["annotations"] = json!({});
    let one = vec![object("a", "runs"), object("b", "ended"), young];
    let two = vec![going, stuck, foreign, object("c", "ended")];
    vec![
        jobs("GET", "jobs?&labelSelector=kiln.io", 200, page(vec![object("j", "gone")], "")),
        call("GET", "pods?&labelSelector=kiln.io", 200, page(one, "more")),
        call("GET", "pods?&labelSelector=kiln.io", 200, page(two, "")),
    ]
}

#[tokio::test]
async fn orphans_go_and_all_others_stay() {
    let neighbours = Neighbours::new();
    let mut calls = listed();
    let gone = || refusal(404, "NotFound", "gone");
    calls.extend([
        // Their logs are kept first, where they are still there.
        call("GET", "pods/b", 404, gone()),
        call("GET", "pods/c", 404, gone()),
        jobs("DELETE", "jobs/j?", 200, done()),
        // Gone by itself; another of its name; removed by force.
        call("DELETE", "pods/b?", 404, gone()),
        call("DELETE", "pods/stuck?", 200, done()),
        call("DELETE", "pods/c?", 409, refusal(409, "Conflict", "another")),
    ]);
    let (scenario, cluster) = Scenario::new(vec![], calls);
    let report = neighbours.sweep(&cluster, false).await.unwrap();
    scenario.end();
    let expected = [
        "Job j: Temporal knows no such workflow",
        "Pod b: its workflow has ended",
        "Pod stuck: it was deleted, and its node does not confirm that",
        "Pod c: its workflow has ended",
    ];
    assert_eq!(names(&report.objects), expected);
    let expected = [
        "Pod a: its workflow runs",
        "Pod young: it is too young",
        "Pod going: it is being deleted",
        "Pod foreign: it names no workflow",
    ];
    assert_eq!(names(&report.kept.objects), expected);
    let mut asked = neighbours.asked.into_inner().unwrap();
    asked.sort();
    assert_eq!(asked, ["ended", "gone", "runs"], "each owner once, and only where it matters");
}

#[tokio::test]
async fn a_dry_run_removes_nothing() {
    let neighbours = Neighbours::new();
    neighbours.put("contexts/old/context.tar.gz", 61 * DAY).await;
    neighbours.put("contexts/x/.tmpdead", 2 * DAY).await;
    let (scenario, cluster) = Scenario::new(vec![], listed());
    let report = neighbours.sweep(&cluster, true).await.unwrap();
    scenario.end();
    assert!(report.dry_run);
    assert_eq!((report.objects.count, report.kept.objects.count), (4, 4));
    assert_eq!((report.contexts.count, report.unfinished_uploads), (1, 1));
    assert!(neighbours.has("contexts/old/context.tar.gz").await);
    assert!(neighbours.has("contexts/x/.tmpdead").await);
}

#[tokio::test]
async fn nothing_is_deleted_while_temporal_does_not_answer() {
    let neighbours = Neighbours::new();
    neighbours.put("contexts/old/context.tar.gz", 61 * DAY).await;
    let pods = vec![object("b", "ended"), object("d", "away")];
    let calls = vec![
        jobs("GET", "jobs?", 200, page(vec![object("j", "ended")], "")),
        call("GET", "pods?", 200, page(pods, "")),
    ];
    let (scenario, cluster) = Scenario::new(vec![], calls);
    let error = neighbours.sweep(&cluster, false).await.unwrap_err();
    scenario.end();
    assert!(error.is::<Unanswered>(), "{error:#}");
    assert!(neighbours.has("contexts/old/context.tar.gz").await);
    let temporalio_sdk::activities::ActivityError::Application(failure) =
        crate::temporal::to_engine(error)
    else {
        panic!("it is a failure of the step");
    };
    assert!(!failure.is_non_retryable());
}

#[tokio::test]
async fn contexts_and_logs_go_after_their_time_alone() {
    let neighbours = Neighbours::new();
    neighbours.put("contexts/old/context.tar.gz", SHORTEST_OF_CONTEXTS + HOUR).await;
    neighbours.put("contexts/young/context.tar.gz", SHORTEST_OF_CONTEXTS - HOUR).await;
    neighbours.put("logs/r1/1/0001", SHORTEST_OF_LOGS + HOUR).await;
    neighbours.put("logs/r1/1/0002", SHORTEST_OF_LOGS - HOUR).await;
    neighbours.put("packages/shop/r1/app.json", 1000 * DAY).await;
    neighbours.put("contexts/x/.tmpdead", 25 * HOUR).await;
    neighbours.put("sections/old.json", SHORTEST_OF_CONTEXTS + HOUR).await;
    neighbours.put("sections/young.json", SHORTEST_OF_CONTEXTS - HOUR).await;
    neighbours.put("logs/r1/1/.tmpnew", 23 * HOUR).await;
    for run in 0..2 {
        let (scenario, cluster) = Scenario::new(vec![], nothing());
        let report = neighbours.sweep(&cluster, false).await.unwrap();
        scenario.end();
        let ten = Amount { count: 1, bytes: 10 };
        let gone = if run == 0 { ten } else { Amount::default() };
        assert_eq!((report.contexts, report.kept.contexts), (gone, ten));
        assert_eq!((report.logs, report.kept.logs), (gone, ten));
        assert_eq!(report.unfinished_uploads, gone.count);
    }
    for (key, there) in [
        ("contexts/old/context.tar.gz", false),
        ("contexts/young/context.tar.gz", true),
        ("logs/r1/1/0001", false),
        ("logs/r1/1/0002", true),
        ("packages/shop/r1/app.json", true),
        ("contexts/x/.tmpdead", false),
        ("sections/old.json", false),
        ("sections/young.json", true),
        ("logs/r1/1/.tmpnew", true),
    ] {
        assert_eq!(neighbours.has(key).await, there, "{key}");
    }
}

/// A sweep has looked at an old context and is about to remove it; then a build of the same
/// content comes. Whichever goes first, the build keeps what it found or put.
#[tokio::test]
async fn a_removal_that_comes_late_takes_nothing_from_a_new_build() {
    let neighbours = Neighbours::new();
    let (now, long_ago) = (SystemTime::now(), SystemTime::now() - SHORTEST_OF_CONTEXTS - HOUR);
    let (old, new) = (context_key_at("c0ffee", long_ago), context_key_at("c0ffee", now));
    neighbours.put(&old, SHORTEST_OF_CONTEXTS + HOUR).await;
    assert!(!neighbours.has(&new).await, "the build does not rely on the old one");
    neighbours.put(&new, Duration::ZERO).await;
    neighbours.store.delete(&old).await.unwrap();
    assert!(neighbours.has(&new).await);
}
