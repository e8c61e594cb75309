//! What `docs/starting.md` says is so: its commands run as they stand there, and what someone
//! leaves out is made up for.

use std::{path::Path, process::Command};

use kilnworks_tests::{
    engine::{client, end, eventually, variable},
    stack::{PATIENCE, Worker, publish, run, unique},
};
use kilnworks_workflows::BuildApp;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/starting.md");

/// The blocks of the page, in order, with what stands behind their fences.
fn blocks() -> impl Iterator<Item = (&'static str, &'static str)> {
    let parts = PAGE.split("```").skip(1).step_by(2);
    parts.map(|block| block.split_once('\n').expect("a line"))
}

/// The page's names as they are on this stack, so that no two runs meet.
struct Names {
    app: String,
    queue: String,
    url: String,
}

impl Names {
    fn here(&self, text: &str) -> String {
        let registry = format!("{}/{}\", \"insecure\": true", variable("KILN_REGISTRY"), self.app);
        let text = text
            .replace("registry.example.com/shop\"", &registry)
            .replace("https://git.example.com/shop.git", &self.url)
            .replace(
                "\"main\"}}",
                "\"main\"}}, \"resources\": {\"cpu\": \"50m\", \"memory\": \"512Mi\"}",
            )
            .replace("--task-queue kiln ", &format!("--task-queue {} ", self.queue))
            .replace("\"app\": \"shop\"", &format!("\"app\": \"{}\"", self.app))
            .replace("\"shop\"", &format!("\"{}\"", self.app));
        text.replace(" shop-", &format!(" {}-", self.app))
    }

    /// Writes the documents of the page into a directory.
    fn documents(&self, directory: &Path) {
        for (kind, text) in blocks() {
            if let Some(name) = kind.strip_prefix("json ") {
                std::fs::write(directory.join(name), self.here(text)).expect("a file");
            }
        }
    }
}

async fn stage(name: &str) -> (Worker, Names, tempfile::TempDir) {
    let worker = Worker::start(&unique(name), &[]).await;
    let url = publish(&unique(name), &[("web/Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let names = Names { app: unique("shop"), queue: worker.queue.clone(), url };
    let directory = tempfile::tempdir().expect("a directory");
    names.documents(directory.path());
    (worker, names, directory)
}

/// A command that ends in its time: what waits for a build would wait for ever.
fn patient(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args([&PATIENCE.as_secs().to_string(), program]);
    command
}

fn described(id: &str) -> Value {
    let told = run(Command::new("temporal").args(["workflow", "describe", "-w", id, "-o", "json"]));
    serde_json::from_str(&told).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_runs() {
    let (_worker, names, directory) = stage("starting").await;
    let mut ran = 0;
    for (_, text) in blocks().filter(|(kind, _)| *kind == "sh") {
        let script = names.here(text);
        let mut bash = patient("bash");
        bash.args(["-euc", &script]).current_dir(directory.path());
        let told = tokio::task::spawn_blocking(move || run(&mut bash)).await.expect("it ends");
        println!("{script}{told}");
        ran += script.matches("temporal ").count();
    }
    assert_eq!(ran, PAGE.matches("\ntemporal ").count(), "every command is in a block of its own");
    let ended = eventually("every build to end", PATIENCE, async || ended(&names)).await;
    let with = |ending: &str| ended.iter().filter(|(_, own)| own == ending).collect::<Vec<_>>();
    let cancelled = with("CANCELED");
    assert!(cancelled.len() == 1 && cancelled[0].0.ends_with("-3"), "{ended:?}");
    assert_eq!(with("COMPLETED").len(), 4, "{ended:?}");
    assert!(ended.iter().any(|(id, _)| id.contains("-nightly-")), "{ended:?}");
}

/// The apps of the queue and how each ended, once all have.
fn ended(names: &Names) -> Option<Vec<(String, String)>> {
    let query = format!("TaskQueue = '{}' AND WorkflowType = 'BuildApp'", names.queue);
    let told =
        run(Command::new("temporal").args(["workflow", "list", "-o", "json", "--query", &query]));
    let told: Vec<Value> = serde_json::from_str(&told).expect("JSON");
    let ending = |one: &Value| {
        let status = one["status"].as_str()?.trim_start_matches("WORKFLOW_EXECUTION_STATUS_");
        let id = one["execution"]["workflowId"].as_str()?;
        (status != "RUNNING").then(|| (id.to_owned(), status.to_owned()))
    };
    told.iter().map(ending).collect::<Option<Vec<_>>>().filter(|all| all.len() == 5)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_made_up_for() {
    let (worker, _, directory) = stage("bare").await;
    for (kind, file, expected) in [
        ("BuildApp", "app.json", vec!["KilnApp", "KilnOutcome"]),
        ("BuildComponent", "component.json", vec!["KilnApp", "KilnComponent", "KilnOutcome"]),
        (
            "BuildContainer",
            "container.json",
            vec!["KilnApp", "KilnContainer", "KilnCommit", "KilnOutcome"],
        ),
    ] {
        let arguments = ["workflow", "execute", "--task-queue", &worker.queue, "--type", kind];
        let mut execute = patient("temporal");
        execute.args(arguments).args(["--input-file", file, "-o", "json"]);
        execute.current_dir(directory.path());
        let told = tokio::task::spawn_blocking(move || run(&mut execute)).await.expect("it ends");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let id = told["workflowId"].as_str().expect("an id that nobody gave");
        let attributes = described(id)["workflowExecutionInfo"]["searchAttributes"].clone();
        for name in expected {
            assert!(attributes["indexedFields"].get(name).is_some(), "{kind}: {attributes}");
        }
        assert_eq!(told["status"], "COMPLETED", "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_input_is_told() {
    let worker = Worker::start(&unique("nothing"), &[]).await;
    let arguments = ["--task-queue", &worker.queue, "-w", &worker.queue, "--type", "BuildApp"];
    run(Command::new("temporal").args(["workflow", "start"]).args(arguments));
    let handle = client().await.get_workflow_handle::<BuildApp>(&worker.queue);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await.expect("it ends");
    let (kind, details) = ended.failure();
    assert_eq!(kind, "InvalidSpec");
    assert_eq!(json!(details.failures.len()), 1);
    assert!(details.failures[0].message.contains("no document"), "{details:?}");
}
