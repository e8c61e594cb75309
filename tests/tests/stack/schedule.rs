//! Builds that the engine starts by the clock, on the real stack.

use std::{
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use kilnworks_tests::{
    engine::{client, end, eventually, variable},
    stack::{PATIENCE, Worker, change, kiln, publish, run, spec, unique},
};
use kilnworks_workflows::{
    BuildApp,
    output::{BuildOutput, Outcome},
};
use serde_json::{Value, json};
use temporalio_client::WorkflowDescribeOptions;

/// A schedule of a test, deleted with it.
struct Schedule {
    name: String,
    queue: String,
}

impl Schedule {
    fn new(name: &str, queue: &str) -> Self {
        Self { name: unique(name), queue: queue.to_owned() }
    }

    /// `kiln schedule VERB NAME …`, whatever comes of it.
    fn ends(&self, verb: &str, more: &[&str]) -> Output {
        let mut command = Command::new(kiln());
        command.env("KILN_TASK_QUEUE", &self.queue).args(["schedule", verb, &self.name]);
        command.args(more).output().expect("kiln runs")
    }

    /// What it prints.
    fn says(&self, verb: &str, more: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.ends(verb, more);
        assert!(status.success(), "{verb}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("text").trim().to_owned()
    }

    /// The exit code and the complaint of a command that fails.
    fn refuses(&self, verb: &str, more: &[&str]) -> (i32, String) {
        let Output { status, stderr, .. } = self.ends(verb, more);
        assert!(!status.success(), "{verb} {more:?} is to fail");
        (status.code().expect("a code"), String::from_utf8(stderr).expect("text"))
    }

    fn described(&self) -> Value {
        serde_json::from_str(&self.says("describe", &["-o", "json"])).expect("JSON")
    }

    /// Its row of the list; none where it is not listed.
    fn listed(&self) -> Option<Value> {
        let list = run(Command::new(kiln()).args(["schedule", "list", "-o", "json"]));
        let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
        list.into_iter().find(|one| one["name"] == *self.name)
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        let name = ["schedule", "delete", "--schedule-id", &self.name];
        let _ = Command::new("temporal").args(name).output();
    }
}

/// A file with a document.
fn file(document: &Value) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), document.to_string()).expect("the spec");
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("a path")
}

/// An app of one small image, whose base is its own, and of two files.
fn small(app: &str) -> (Value, String) {
    let base = format!("{}/{app}/base:1", variable("KILN_REGISTRY"));
    crane(&["copy", &variable("KILN_BASE_IMAGE"), &base]);
    let dockerfile = format!("FROM {base}\nCOPY file /\n");
    let files = [("one/Dockerfile", dockerfile.as_str()), ("one/file", "1"), ("notes.txt", "1")];
    let url = publish(app, &files);
    let mut document = spec(app, &url, json!([{"name": "one", "contextDir": "one"}]));
    let version = json!({"name": "version.txt", "content": "{{ version }} of {{ app }}"});
    document["files"] = json!([{"path": "notes.txt"}, version]);
    (document, base)
}

fn crane(arguments: &[&str]) -> String {
    run(Command::new("crane").args(arguments).arg("--insecure"))
}

async fn ended(id: &str) -> BuildOutput {
    let handle = client().await.get_workflow_handle::<BuildApp>(id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    ended.expect("the build ends in its time").output()
}

/// What a run of the schedule comes to: the outcome, the version, and whether a Pod ran.
async fn night(schedule: &Schedule) -> (Outcome, String, bool) {
    let output = ended(&schedule.says("trigger", &[])).await;
    let pod = output.images.iter().any(|image| image.attempts > 0);
    (output.outcome, output.version.unwrap_or_default(), pod)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_without_a_change_takes_no_version() {
    use Outcome::{Succeeded, Unchanged};
    let worker = Worker::start(&unique("nightly"), &[]).await;
    let app = unique("nightly");
    let (document, base) = small(&app);
    let spec = file(&document);
    let nightly = Schedule::new(&app, &worker.queue);
    nightly.says(
        "create",
        &[
            path(&spec),
            "--cron=0 2 * * *",
            "--time-zone=Europe/Berlin",
            "--only-if-changed",
            "--version=auto",
        ],
    );
    let said = |version: &str| version.to_owned();
    assert_eq!(night(&nightly).await, (Succeeded, said("0.1.0"), true));
    assert_eq!(night(&nightly).await, (Unchanged, said("0.1.0"), false), "nothing changed");
    change(&app, &[("elsewhere", "words")]);
    assert_eq!(night(&nightly).await, (Unchanged, said("0.1.0"), false), "nothing that is built");
    change(&app, &[("one/file", "2")]);
    assert_eq!(night(&nightly).await, (Succeeded, said("0.1.1"), true), "a source");
    change(&app, &[("notes.txt", "2")]);
    assert_eq!(night(&nightly).await, (Succeeded, said("0.1.2"), false), "a file of the package");
    crane(&["mutate", &base, "--env", "MOVED=1", "-t", &base]);
    assert_eq!(night(&nightly).await, (Succeeded, said("0.1.3"), true), "a base image");
    assert_eq!(night(&nightly).await, (Unchanged, said("0.1.3"), false));

    let tags = crane(&["ls", &format!("{}/{app}/{app}", variable("KILN_REGISTRY"))]);
    assert!(tags.contains("0.1.3") && !tags.contains("0.1.4"), "{tags}");
    let row = nightly.listed().expect("it is listed");
    assert_eq!((&row["app"], &row["last"]["outcome"]), (&json!(app), &json!("unchanged")));
    assert_eq!(row["when"], "0 2 * * * Europe/Berlin");
    assert!(row["next"].as_str().is_some_and(|next| next.starts_with("20")), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_version_the_same_package_is_not_new() {
    let worker = Worker::start(&unique("plain"), &[]).await;
    let app = unique("plain");
    let (mut document, _) = small(&app);
    document["onlyIf"] = json!("changed");
    document["files"] = json!([{"path": "notes.txt"}]);
    let spec = file(&document);
    let build = || {
        let mut kiln = worker.kiln(&["build", path(&spec), "-o", "json"]);
        let output: BuildOutput = serde_json::from_str(&run(&mut kiln)).expect("JSON");
        output
    };
    let first = build();
    assert_eq!(first.outcome, Outcome::Succeeded);
    let again = build();
    assert_eq!((again.outcome, &again.package), (Outcome::Unchanged, &first.package));
    assert_eq!(again.images[0].digest, first.images[0].digest);
    change(&app, &[("one/file", "2")]);
    assert_eq!(build().outcome, Outcome::Succeeded);
    // A version that is given is published once, and then nothing is new under it.
    document["version"] = json!("1.0.0");
    std::fs::write(spec.path(), document.to_string()).expect("the spec");
    assert_eq!(build().outcome, Outcome::Succeeded);
    let same = build();
    assert_eq!((same.outcome, same.version.as_deref()), (Outcome::Unchanged, Some("1.0.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_temporal_command_alone_is_enough() {
    let worker = Worker::start(&unique("alone"), &[]).await;
    let app = unique("alone");
    let (mut document, _) = small(&app);
    document["files"] = json!([]);
    let spec = file(&document);
    let alone = Schedule::new(&app, &worker.queue);
    let temporal = |verb: &str, more: &[&str]| {
        let mut command = Command::new("temporal");
        command.args(["schedule", verb, "--schedule-id", &alone.name]).args(more);
        run(&mut command)
    };
    let start = ["--type", "BuildApp", "--task-queue", &worker.queue, "--workflow-id", &app];
    temporal("create", &[&["--interval", "24h", "--input-file", path(&spec)], &start[..]].concat());
    temporal("trigger", &[]);
    let run = eventually("its run", PATIENCE, async || {
        alone.described()["runs"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(ended(&run).await.outcome, Outcome::Succeeded);
    let row = alone.listed().expect("it is listed");
    assert_eq!((&row["app"], &row["last"]["outcome"]), (&json!(app), &json!("succeeded")));
    assert_eq!((&row["when"], &row["workflowType"]), (&json!("every 1day"), &json!("BuildApp")));
    let second = alone.says("trigger", &[]);
    assert_eq!(ended(&second).await.app, app);
    alone.says("delete", &[]);
    eventually("it to be gone", PATIENCE, async || alone.listed().is_none().then_some(())).await;
}

/// No worker serves it: every run stays.
#[tokio::test(flavor = "multi_thread")]
async fn runs_that_overlap_are_left_out_or_not() {
    let app = unique("overlap");
    let spec = file(&used(&app));
    let hourly = Schedule::new("hourly", &app);
    hourly.says("create", &[path(&spec), "--every=1h", "--catch-up=1h", "--pause-on-failure"]);
    let described = hourly.described();
    assert_eq!((&described["when"], &described["overlap"]), (&json!("every 1h"), &json!("skip")));
    assert_eq!((&described["catchUp"], &described["pauseOnFailure"]), (&json!("1h"), &json!(true)));
    assert_eq!((&described["app"], &described["taskQueue"]), (&json!(app), &json!(app)));

    let first = hourly.says("trigger", &[]);
    assert!(first.starts_with(&format!("{app}-{}-20", hourly.name)), "{first}");
    let handle = client().await.get_workflow_handle::<BuildApp>(&first);
    let run = handle.describe(WorkflowDescribeOptions::default()).await.expect("the run");
    assert_eq!(run.static_summary(), Some(format!("build {app} 1.0.0").as_str()));
    let found = run.raw().workflow_execution_info.as_ref().expect("its info");
    let found = &found.search_attributes.as_ref().expect("some").indexed_fields;
    assert_eq!(found["KilnApp"].data, format!("{app:?}").as_bytes());
    assert_eq!(found["KilnVersion"].data, br#""1.0.0""#);

    let (code, said) = hourly.refuses("trigger", &[]);
    assert_eq!(code, 1);
    assert!(said.contains(&format!("is skipped: `{first}` is still running")), "{said}");
    assert_eq!(hourly.described()["skipped"], 1);
    // Runs of one second would have one id.
    let now = || humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let another = async || (!first.ends_with(&now())).then_some(());
    eventually("another second", PATIENCE, another).await;
    let beside = hourly.says("trigger", &["--overlap=allow-all"]);
    assert_ne!(beside, first);

    hourly.says("pause", &["--note=for the feast"]);
    let paused = hourly.described();
    assert_eq!((&paused["paused"], &paused["note"]), (&json!(true), &json!("for the feast")));
    let time = |hours: u64| {
        let time = SystemTime::now() - Duration::from_secs(hours * 3600);
        humantime::format_rfc3339_seconds(time).to_string()
    };
    let (from, to) = (format!("--from={}", time(5)), format!("--to={}", time(2)));
    hourly.says("backfill", &[&from, &to, "--overlap=allow-all"]);
    let runs = eventually("the runs of three hours", PATIENCE, async || {
        let runs = hourly.described()["runs"].as_array().expect("runs").clone();
        (runs.len() >= 5).then_some(runs)
    })
    .await;
    assert!(runs.iter().all(|run| run["outcome"] == "running"), "{runs:?}");
    for run in &runs {
        let id = run["id"].as_str().expect("an id");
        let terminate = ["workflow", "terminate", "--workflow-id", id];
        kilnworks_tests::stack::run(Command::new("temporal").args(terminate));
    }
    hourly.says("unpause", &[]);
    assert_eq!(hourly.described()["paused"], false);
    hourly.says("delete", &[]);
    let (code, said) = hourly.refuses("describe", &[]);
    assert_eq!((code, said.contains("there is no schedule")), (2, true), "{said}");
}

/// An app of which nothing is built.
fn used(app: &str) -> Value {
    json!({
        "apiVersion": "kilnworks/v1",
        "app": app,
        "version": "1.0.0",
        "defaults": {"registry": {"prefix": variable("KILN_REGISTRY"), "insecure": true}},
        "components": [{"name": "web", "containers": [
            {"name": "one", "image": variable("KILN_BASE_IMAGE")},
        ]}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_before_anything_is_made() {
    let app = unique("wrong");
    let right = file(&used(&app));
    let mut document = used(&app);
    document["components"][0]["name"] = json!("Web");
    let wrong = file(&document);
    let schedule = Schedule::new("wrong", &app);
    for (arguments, expected) in [
        (&[path(&wrong), "--every=1h"][..], "components[0].name: `Web`"),
        (&[path(&right)], "required arguments"),
        (&[path(&right), "--every=soon"], "--every"),
        (&[path(&right), "--every=1h", "--cron=0 2 * * *"], "cannot be used with"),
        (&[path(&right), "--cron=0 2 * *"], "CronString does not have 5-7 fields"),
        (&[path(&right), "--cron=0 2 * * *", "--time-zone=Berlin"], "unknown time zone Berlin"),
        (&[path(&right), "--every=1h", "--version=one"], "version: `one`"),
    ] {
        let (code, said) = schedule.refuses("create", arguments);
        assert_eq!((code, said.contains(expected)), (2, true), "{arguments:?}: {said}");
    }
    assert_eq!(schedule.listed(), None);

    let made = [path(&right), "--every=6h"];
    schedule.says("create", &made);
    let (code, said) = schedule.refuses("create", &made);
    assert_eq!((code, said.contains("hint: `--replace`")), (2, true), "{said}");
    schedule.says("pause", &[]);
    schedule.says("create", &[path(&right), "--every=12h", "--overlap=buffer-one", "--replace"]);
    let replaced = schedule.described();
    let now = (&replaced["when"], &replaced["overlap"], &replaced["paused"]);
    assert_eq!(now, (&json!("every 12h"), &json!("buffer-one"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_others_is_left_alone() {
    let other = Schedule::new("other", "nobody");
    let start = ["--type", "Other", "--task-queue", "nobody", "--workflow-id", "other"];
    let name = ["schedule", "create", "--schedule-id", &other.name, "--interval", "24h"];
    run(Command::new("temporal").args(name).args(start));
    assert_eq!(other.listed(), None);
    for verb in ["describe", "trigger", "pause", "unpause", "delete"] {
        let (code, said) = other.refuses(verb, &[]);
        assert_eq!((code, said.contains("which is not a build")), (2, true), "{verb}: {said}");
    }
    let spec = file(&used("other"));
    let (code, said) = other.refuses("create", &[path(&spec), "--every=1h", "--replace"]);
    assert_eq!((code, said.contains("which is not a build")), (2, true), "{said}");
}
