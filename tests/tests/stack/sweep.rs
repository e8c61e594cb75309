//! Sweeps on the real stack.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kilnworks_tests::{
    engine::{client, eventually, variable},
    stack::{PATIENCE, Worker, cluster, kiln, names, pods, publish, run, spec, start, unique},
    telemetry::{address, scrape},
};
use kilnworks_workflows::Sweep;
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, PostParams},
};
use serde_json::{Value, json};
use temporalio_client::{RpcOptions, WorkflowGetResultOptions};

/// `kiln sweep`, and its report.
fn sweep(queue: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(kiln());
    command.args(["sweep", "--output", "json", "--task-queue", queue]).args(arguments);
    serde_json::from_str(&run(&mut command)).expect("JSON")
}

/// The names of the objects in a part of a report.
fn named(objects: &Value) -> Vec<&str> {
    let named = objects["named"].as_array().expect("a list");
    named.iter().filter_map(|one| one["name"].as_str()).collect()
}

fn temporal(arguments: &[&str]) -> String {
    run(Command::new("temporal").args(arguments))
}

/// Starts a build that lasts, and gives the name of its running Pod.
async fn lasting(worker: &Worker, cluster: &Client, id: &str) -> String {
    let dockerfile = format!("FROM {}\nRUN sleep 600\n", variable("KILN_BASE_IMAGE"));
    let url = publish(&unique("sweep"), &[("Dockerfile", &dockerfile)]);
    start("BuildApp", &worker.queue, id, &spec(id, &url, json!([{"name": "one"}])));
    eventually("the Pod to run", PATIENCE, async || {
        let pods = pods(cluster, id).await;
        let status = pods.first()?.status.as_ref()?;
        (status.phase.as_deref() == Some("Running")).then(|| names(&pods).remove(0))
    })
    .await
}

/// A Pod of another installation that no workflow owns. No node takes it.
async fn foreign(pods: &Api<Pod>) -> String {
    let name = unique("foreign");
    let labels = [("instance", "another"), ("run", "r1")];
    let labels = labels.map(|(name, value)| (format!("kiln.io/{name}"), value.to_owned()));
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(labels.into()),
            annotations: Some([("kiln.io/workflow-id".to_owned(), "nobody".to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![Container {
                name: "none".to_owned(),
                image: Some(variable("KILN_BASE_IMAGE")),
                ..Container::default()
            }],
            node_selector: Some([("kiln.io/nowhere".to_owned(), String::new())].into()),
            ..PodSpec::default()
        }),
        ..Pod::default()
    };
    pods.create(&PostParams::default(), &pod).await.expect("a Pod");
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_of_a_terminated_build_goes_and_no_other() {
    let worker = Worker::start(&unique("sweep"), &[("KILN_SWEEP_AFTER", "1s")]).await;
    let cluster = cluster().await;
    let api = Api::<Pod>::namespaced(cluster.clone(), &variable("KILN_NAMESPACE"));
    let foreign = foreign(&api).await;
    let (ended, goes_on) = (unique("ended"), unique("goes-on"));
    let orphan = lasting(&worker, &cluster, &ended).await;
    let living = lasting(&worker, &cluster, &goes_on).await;
    temporal(&["workflow", "terminate", "--workflow-id", &format!("{ended}/web/one")]);

    // A workflow that has just ended may be cleaning up: its Pod is left for a minute.
    let first = sweep(&worker.queue, &["--dry-run"]);
    assert_eq!(first["objects"]["count"], 0, "{first}");
    let dry = eventually("the orphan to be named", Duration::from_secs(120), async || {
        let report = sweep(&worker.queue, &["--dry-run"]);
        (report["objects"]["count"] != 0).then_some(report)
    })
    .await;
    assert_eq!(named(&dry["objects"]), [orphan.as_str()]);
    assert_eq!(named(&dry["kept"]["objects"]), [living.as_str()]);
    assert!(api.get(&orphan).await.expect("the Pod").metadata.deletion_timestamp.is_none());

    let report = sweep(&worker.queue, &[]);
    assert_eq!(report["dryRun"], false);
    assert_eq!(report["objects"], dry["objects"]);
    assert_eq!(report["objects"]["named"][0]["reason"], "its workflow has ended");
    eventually("the orphan to be gone", Duration::from_secs(50), async || {
        api.get_opt(&orphan).await.expect("the Pods").is_none().then_some(())
    })
    .await;
    assert_eq!(sweep(&worker.queue, &[])["objects"]["count"], 0);
    for name in [&living, &foreign] {
        let pod = api.get(name).await.expect("the Pod is there");
        assert!(pod.metadata.deletion_timestamp.is_none(), "{name} is not to be deleted");
    }
    let _ = api.delete(&foreign, &DeleteParams::default().grace_period(0)).await;
    temporal(&["workflow", "cancel", "--workflow-id", &goes_on]);
    eventually("the living one to be gone", Duration::from_secs(50), async || {
        api.get_opt(&living).await.expect("the Pods").is_none().then_some(())
    })
    .await;
}

/// Puts a file of this many days into a store.
fn put(store: &Path, key: &str, days: u64) {
    let path = store.join(key);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(&path, "0123456789").expect("a file");
    let age = Duration::from_secs(days * 24 * 3600);
    let file = File::options().write(true).open(path).expect("the file");
    file.set_modified(SystemTime::now() - age).expect("a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_in_the_store_goes() {
    let store = tempfile::tempdir().expect("a directory");
    let dir = store.path().to_str().expect("a path");
    let settings = [
        ("KILN_STORE", "volume"),
        ("KILN_VOLUME_DIR", dir),
        ("KILN_VOLUME_HOST_PATH", dir),
        ("KILN_KEEP_LOGS", "40days"),
        ("KILN_LISTEN", "127.0.0.1:0"),
    ];
    let worker = Worker::start(&unique("sweep"), &settings).await;
    let address = address(&worker).await;
    for (key, days) in [
        ("contexts/old/context.tar.gz", 61),
        ("contexts/young/context.tar.gz", 59),
        ("logs/r1/1/0001", 41),
        ("logs/r1/1/0002", 39),
        ("contexts/dead/.tmpdead", 2),
        ("contexts/new/.tmpnew", 0),
        ("packages/shop/r1/app.json", 1000),
    ] {
        put(store.path(), key, days);
    }
    let dry = sweep(&worker.queue, &["--dry-run"]);
    assert!(store.path().join("contexts/old/context.tar.gz").exists());
    assert_eq!(scrape(&address).await["kiln_sweeps_total"], 0.0, "a dry one is none");
    let report = sweep(&worker.queue, &[]);
    let ten = json!({"count": 1, "bytes": 10});
    for one in [&dry, &report] {
        assert_eq!((&one["contexts"], &one["logs"]), (&ten, &ten), "{one}");
        assert_eq!((&one["kept"]["contexts"], &one["kept"]["logs"]), (&ten, &ten), "{one}");
        assert_eq!(one["unfinishedUploads"], 1, "{one}");
    }
    let scraped = scrape(&address).await;
    for (series, value) in [
        ("kiln_sweeps_total", 1.0),
        ("kiln_swept_total{kind=\"context\"}", 1.0),
        ("kiln_swept_total{kind=\"log\"}", 1.0),
        ("kiln_swept_total{kind=\"upload\"}", 1.0),
        ("kiln_swept_total{kind=\"object\"}", 0.0),
        ("kiln_swept_bytes_total{kind=\"context\"}", 10.0),
        ("kiln_swept_bytes_total{kind=\"log\"}", 10.0),
        // Nothing starts a test's sweeps.
        ("kiln_sweep_interval_seconds", 0.0),
    ] {
        assert_eq!(scraped.get(series), Some(&value), "{series}");
    }
    let left: Vec<String> =
        run(Command::new("find").args([".", "-type", "f"]).current_dir(store.path()))
            .lines()
            .map(str::to_owned)
            .collect();
    assert_eq!(left.len(), 4, "{left:?}");
    for gone in ["old/context", "0001", ".tmpdead"] {
        assert!(!left.iter().any(|path| path.contains(gone)), "{left:?}");
    }
}

/// A schedule that is gone when this is.
struct Schedule(String);

impl Schedule {
    fn described(&self) -> Option<Value> {
        let arguments = ["schedule", "describe", "--output", "json", "--schedule-id", &self.0];
        let output = Command::new("temporal").args(arguments).output().expect("temporal runs");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    fn interval(&self) -> Value {
        let described = self.described().expect("the schedule is there");
        described["schedule"]["spec"]["interval"][0]["interval"].clone()
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        let arguments = ["schedule", "delete", "--schedule-id", &self.0];
        let _ = Command::new("temporal").args(arguments).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_keeps_the_schedule() {
    let queue = unique("sweep");
    let schedule = Schedule(format!("kiln-sweep-{queue}"));
    let every = |time: &'static str| [("KILN_SWEEP_EVERY", time)];
    let (two, same) = (every("2h"), every("2h"));
    let workers =
        futures::future::join(Worker::start(&queue, &two), Worker::start(&queue, &same)).await;
    assert_eq!(schedule.interval(), "7200s");
    temporal(&["schedule", "toggle", "--pause", "--schedule-id", &schedule.0, "--reason", "test"]);
    drop(workers);
    let worker = Worker::start(&queue, &every("3h")).await;
    assert_eq!(schedule.interval(), "10800s");
    let described = schedule.described().expect("the schedule");
    assert_eq!(described["schedule"]["state"]["paused"], true, "{described}");

    temporal(&["schedule", "trigger", "--schedule-id", &schedule.0]);
    let client = client().await;
    let id = eventually("a sweep to start", Duration::from_secs(30), async || {
        let handle = client.get_schedule_handle(&schedule.0);
        let described = handle.describe(RpcOptions::default()).await.expect("the schedule");
        Some(described.recent_actions().first()?.workflow_id.clone())
    })
    .await;
    assert!(id.starts_with(&schedule.0), "{id}");
    let handle = client.get_workflow_handle::<Sweep>(&id);
    let report = handle.get_result(WorkflowGetResultOptions::default()).await;
    assert!(!report.expect("it is swept").dry_run);

    drop(worker);
    let _worker = Worker::start(&queue, &every("never")).await;
    assert_eq!(schedule.described(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_a_sweep_says_so_and_waits() {
    let queue = unique("sweep");
    let said = tempfile::NamedTempFile::new().expect("a file");
    let mut sweep = tokio::process::Command::new(kiln())
        .args(["sweep", "--dry-run", "--task-queue", &queue])
        .stdout(Stdio::piped())
        .stderr(said.reopen().expect("a handle"))
        .kill_on_drop(true)
        .spawn()
        .expect("kiln runs");
    eventually("a word about the worker", Duration::from_secs(60), async || {
        let said = std::fs::read_to_string(said.path()).expect("text");
        said.contains("is `kiln worker` running?").then_some(())
    })
    .await;
    assert_eq!(sweep.try_wait().expect("its state"), None, "it waits");
    let _worker = Worker::start(&queue, &[]).await;
    let ended = tokio::time::timeout(PATIENCE, sweep.wait_with_output()).await;
    let output = ended.expect("it ends in its time").expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let table = String::from_utf8(output.stdout).expect("text");
    for line in ["WOULD DELETE", "Jobs and Pods", "contexts", "logs", "unfinished uploads"] {
        assert!(table.contains(line), "{table}");
    }
}
