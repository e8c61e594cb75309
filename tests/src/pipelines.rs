//! The example pipelines: the same things hold for each language's.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kilnworks_workflows::{BuildApp, contract};
use serde_json::{Value, json};
use temporalio_client::{Client, WorkflowGetResultOptions};
use temporalio_common::UntypedWorkflow;

use crate::{
    engine::{self, End, client, eventually, variable},
    stack::{PATIENCE, Worker, cluster, pods, publish, run, spec, unique},
};

/// The most seconds that a pipeline may take which is not to run out of them.
const LONG: u64 = 600;

/// A running worker of a language's pipeline, with a task queue of its own. It ends with this value.
struct Pipeline {
    queue: String,
    process: Child,
    log: PathBuf,
}

impl Pipeline {
    /// Builds and starts it.
    async fn start(language: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline");
        let mut build = Command::new(&script);
        build.args(["build", language]);
        println!(
            "{}",
            tokio::task::spawn_blocking(move || run(&mut build)).await.expect("it ends")
        );
        let queue = unique(&format!("pipeline-{language}"));
        let log = std::env::temp_dir().join(format!("{queue}.log"));
        let file = std::fs::File::create(&log).expect("a log");
        let process = Command::new(script)
            .args(["run", language])
            .env("PIPELINE_TASK_QUEUE", &queue)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a handle"))
            .stderr(file)
            .spawn()
            .expect("the worker starts");
        Self { queue, process, log }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
        let _ = std::fs::remove_file(&self.log);
    }
}

/// A language's pipeline beside a worker of Kilnworks, both running.
struct Stage {
    client: Client,
    cluster: kube::Client,
    kiln: Worker,
    pipeline: Pipeline,
    url: String,
}

/// One release: the id of its workflow, and its app.
struct Release {
    id: String,
    app: String,
}

impl Release {
    /// The id of the build that the pipeline started.
    fn build(&self) -> String {
        format!("{}/{}", self.id, self.app)
    }
}

/// Shows that a language's pipeline does with each end of a build what it should.
pub async fn holds(language: &str) {
    // What ran out of memory is to reach the pipeline at once.
    let kiln = Worker::start(&unique("pipeline"), &[("KILN_MAX_ATTEMPTS", "1")]).await;
    let pipeline = Pipeline::start(language).await;
    let url = sources();
    let stage = Stage { client: client().await, cluster: cluster().await, kiln, pipeline, url };
    let begun = Instant::now();
    tokio::join!(
        timed(begun, "released", stage.a_good_build_gives_its_reference()),
        timed(begun, "rejected", stage.a_failed_instruction_is_told_with_its_line()),
        timed(begun, "built twice", stage.a_build_without_memory_is_repeated_with_more()),
        timed(begun, "cancelled", stage.a_cancel_cancels_the_build()),
        timed(begun, "out of time", stage.the_limit_cancels_the_build()),
        timed(begun, "terminated", stage.a_terminated_pipeline_cancels_the_build()),
    );
}

/// Says when something was shown.
async fn timed(begun: Instant, what: &str, shown: impl Future<Output = ()>) {
    shown.await;
    println!("{what} after {:.1} s", begun.elapsed().as_secs_f64());
}

/// Fails where a document is not what its published schema says.
fn conforms(name: &str, document: &Value) {
    let schemas = contract::schemas();
    let (_, schema) = schemas.iter().find(|(own, _)| *own == name).expect("a schema");
    let validator = jsonschema::validator_for(schema).expect("a schema");
    let faults: Vec<_> = validator.iter_errors(document).map(|it| it.to_string()).collect();
    assert!(faults.is_empty(), "{name}: {faults:?}");
}

fn sources() -> String {
    let base = variable("KILN_BASE_IMAGE");
    let bad = format!("FROM {base}\nRUN true\nRUN echo the reason >&2; exit 7\n");
    // `tail` keeps a line that does not end, all of it.
    let hungry = format!("FROM {base}\nRUN head -c 120M /dev/zero | tail >/dev/null\n");
    let slow = format!("FROM {base}\nRUN sleep 600\n");
    let files = [
        ("good/Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("bad/Dockerfile", bad.as_str()),
        ("hungry/Dockerfile", &hungry),
        ("slow/Dockerfile", &slow),
    ];
    publish(&unique("pipeline"), &files)
}

impl Stage {
    /// Starts a release of an app whose one container is built of this directory.
    fn release(&self, directory: &str, memory: &str, limit: u64) -> Release {
        let app = unique(directory);
        let mut spec = spec(&app, &self.url, json!([{"name": "server", "contextDir": directory}]));
        spec["defaults"]["resources"]["memory"] = json!(memory);
        let order =
            json!({"queue": self.kiln.queue, "spec": spec, "memory": "768Mi", "limit": limit});
        let id = unique("release");
        crate::stack::start("ReleasePipeline", &self.pipeline.queue, &id, &order);
        Release { id, app }
    }

    /// How the build ended that the pipeline started.
    async fn build_of(&self, release: &Release) -> End {
        let handle = self.client.get_workflow_handle::<BuildApp>(release.build());
        tokio::time::timeout(PATIENCE, engine::end(&handle)).await.expect("the build ends in time")
    }

    /// The result of a workflow that ends well, as JSON.
    async fn result(&self, id: &str) -> Value {
        let handle = self.client.get_workflow_handle::<UntypedWorkflow>(id);
        let result = handle.get_result(WorkflowGetResultOptions::default());
        let result = tokio::time::timeout(PATIENCE, result).await.expect("it ends in time");
        let result = result.unwrap_or_else(|error| panic!("{id} ends well: {error}"));
        serde_json::from_slice(&result.payloads[0].data).expect("JSON")
    }

    async fn a_good_build_gives_its_reference(&self) {
        let release = self.release("good", "512Mi", LONG);
        let told = self.result(&release.id).await;
        let output = self.build_of(&release).await.output();
        assert_eq!(told["outcome"], "released", "{told}");
        assert_eq!(told["builds"], 1, "{told}");
        assert_eq!(told["images"], json!({"web/server": output.images[0].reference}));
        conforms("output", &self.result(&release.build()).await);
    }

    async fn a_failed_instruction_is_told_with_its_line(&self) {
        let told = self.result(&self.release("bad", "512Mi", LONG).id).await;
        assert_eq!(told["outcome"], "rejected", "{told}");
        assert_eq!(told["builds"], 1, "{told}");
        let failure = &told["failures"][0];
        assert_eq!(failure["type"], "BuildFailed", "{told}");
        assert_eq!(failure["line"], 3, "{told}");
        assert_eq!(failure["container"], "server", "{told}");
        assert!(failure["instruction"].as_str().unwrap_or_default().contains("exit 7"), "{told}");
    }

    async fn a_build_without_memory_is_repeated_with_more(&self) {
        let release = self.release("hungry", "120Mi", LONG);
        let told = self.result(&release.id).await;
        assert_eq!(told["outcome"], "released", "{told}");
        assert_eq!(told["builds"], 2, "{told}");
        assert!(told["images"]["web/server"].as_str().unwrap_or_default().contains("@sha256:"));
    }

    async fn a_cancel_cancels_the_build(&self) {
        let release = self.release("slow", "512Mi", LONG);
        self.builds(&release).await;
        run(Command::new("temporal").args(["workflow", "cancel", "-w", &release.id]));
        assert!(matches!(self.build_of(&release).await, End::Cancelled));
        ends(&release, "CANCELED").await;
        self.leaves_no_pod(&release).await;
    }

    async fn the_limit_cancels_the_build(&self) {
        let release = self.release("slow", "512Mi", 20);
        let told = self.result(&release.id).await;
        assert_eq!(told["outcome"], "outOfTime", "{told}");
        assert!(matches!(self.build_of(&release).await, End::Cancelled));
        self.leaves_no_pod(&release).await;
    }

    async fn a_terminated_pipeline_cancels_the_build(&self) {
        let release = self.release("slow", "512Mi", LONG);
        self.builds(&release).await;
        run(Command::new("temporal").args(["workflow", "terminate", "-w", &release.id]));
        assert!(matches!(self.build_of(&release).await, End::Cancelled));
        self.leaves_no_pod(&release).await;
    }

    /// Waits until the build's Pod runs.
    async fn builds(&self, release: &Release) {
        eventually("the Pod to run", PATIENCE, async || {
            let pods = pods(&self.cluster, &release.app).await;
            let phase = pods.first()?.status.as_ref()?.phase.as_deref()?.to_owned();
            (phase == "Running").then_some(())
        })
        .await;
    }

    async fn leaves_no_pod(&self, release: &Release) {
        // Ten seconds is the promise; the rest is slack for a busy machine.
        eventually("the Pod to be gone", Duration::from_secs(50), async || {
            pods(&self.cluster, &release.app).await.is_empty().then_some(())
        })
        .await;
    }
}

/// Waits until a pipeline has ended so.
async fn ends(release: &Release, status: &str) {
    let arguments = ["workflow", "describe", "-w", &release.id, "-o", "json"];
    eventually(&format!("the pipeline to be {status}"), PATIENCE, async || {
        let told = run(Command::new("temporal").args(arguments));
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let own = told["workflowExecutionInfo"]["status"].as_str()?;
        own.ends_with(&format!("_{status}")).then_some(())
    })
    .await;
}
