//! The real stack: repositories, workers, builds by the `temporal` command, and what came of them.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, LogParams, PostParams},
};
use serde_json::{Value, json};

use kilnworks_workflows::BuildApp;

use crate::engine::{End, client, end, eventually, variable};

/// How long a build on a busy machine may take.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// How the app build with this workflow id ended, once it has.
pub async fn ended(id: &str) -> End {
    let client = client().await;
    let handle = client.get_workflow_handle::<BuildApp>(id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    ended.expect("the build ends in its time")
}

/// Runs a command to its end and gives what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// A name that no other test has.
pub fn unique(name: &str) -> String {
    format!("{name}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8])
}

/// Publishes files as the branch `main` of a new public repository and gives its URL.
pub fn publish(name: &str, files: &[(&str, &str)]) -> String {
    let repository = Path::new(&variable("KILN_GIT_ROOT")).join(format!("{name}.git"));
    let work = tempfile::tempdir().expect("a directory");
    for (path, content) in files {
        let path = work.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
        run(Command::new("git").args(who).args(arguments).current_dir(work.path()));
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "files"]);
    git(&["clone", "--quiet", "--bare", ".", repository.to_str().expect("a path")]);
    format!("{}/{name}.git", variable("KILN_GIT_URL"))
}

/// Puts files into a published repository, as one more commit of `main`.
pub fn change(name: &str, files: &[(&str, &str)]) {
    let repository = Path::new(&variable("KILN_GIT_ROOT")).join(format!("{name}.git"));
    let work = tempfile::tempdir().expect("a directory");
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
        run(Command::new("git").args(who).args(arguments).current_dir(work.path()));
    };
    git(&["clone", "--quiet", repository.to_str().expect("a path"), "."]);
    for (path, content) in files {
        std::fs::write(work.path().join(path), content).expect("a file");
    }
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "change"]);
    git(&["push", "--quiet", "origin", "main"]);
}

/// A spec of one app whose containers share a source.
pub fn spec(app: &str, url: &str, containers: Value) -> Value {
    json!({
        "apiVersion": "kilnworks/v1",
        "app": app,
        "defaults": {
            "registry": {"prefix": format!("{}/{app}", variable("KILN_REGISTRY")), "insecure": true},
            "source": {"git": {"url": url, "revision": "main"}},
            "resources": {"cpu": "50m", "memory": "512Mi"}
        },
        "components": [{"name": "web", "containers": containers}]
    })
}

/// The example app's spec, published and filled in.
pub fn example() -> Value {
    published("deploy/local/example")
}

/// The spec that a script writes once it has published what is built.
pub fn published(script: &str) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(script);
    // The `kiln` of the tests: that of a release takes a quarter of an hour to compile.
    run(Command::new(script).arg(directory.path()).env("KILN_IMAGE_BINARY", kiln()));
    let text = std::fs::read_to_string(directory.path().join("app.yaml")).expect("the spec");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// A running `kiln worker` with task queues and an instance of its own. It ends with this value.
pub struct Worker {
    pub queue: String,
    process: Child,
    log: PathBuf,
    environment: Vec<(String, String)>,
}

impl Worker {
    /// Starts one and waits until it polls. A setting is a variable, or a flag where it begins like one.
    pub async fn start(queue: &str, settings: &[(&str, &str)]) -> Self {
        // A schedule would outlive the test.
        let own = [
            ("KILN_TASK_QUEUE", queue),
            ("KILN_INSTALL", queue),
            ("KILN_HEARTBEAT", "5s"),
            ("KILN_SWEEP_EVERY", "never"),
        ];
        let environment: Vec<_> = own
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::with(queue.to_owned(), environment).await
    }

    /// Starts another one like this.
    pub async fn another(&self) -> Self {
        Self::with(self.queue.clone(), self.environment.clone()).await
    }

    async fn with(queue: String, environment: Vec<(String, String)>) -> Self {
        let log = std::env::temp_dir().join(format!("{}.log", unique(&queue)));
        let file = std::fs::File::create(&log).expect("a log");
        let (flags, variables): (Vec<_>, Vec<_>) =
            environment.iter().cloned().partition(|(name, _)| name.starts_with("--"));
        let process = Command::new(kiln())
            .arg("worker")
            .args(flags.into_iter().map(|(name, value)| format!("{name}={value}")))
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a handle"))
            .stderr(file)
            .spawn()
            .expect("kiln starts");
        let mut worker = Self { queue, process, log, environment };
        worker.wait_until_it_polls().await;
        worker
    }

    async fn wait_until_it_polls(&mut self) {
        for _ in 0..600 {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if log.contains(" polls ") {
                return;
            }
            let ended = self.process.try_wait().expect("its state");
            assert!(ended.is_none(), "the worker ended with {ended:?}:\n{log}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the worker does not poll:\n{}", std::fs::read_to_string(&self.log).unwrap());
    }

    /// Asks it to stop, as an operator does.
    pub fn terminate(&self) {
        run(Command::new("kill").args(["-TERM", &self.process.id().to_string()]));
    }

    /// Whether its process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("its state").is_some()
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kiln` with the settings of this worker.
    pub fn kiln(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(kiln());
        command.args(arguments).envs(self.environment.iter().cloned());
        command
    }

    /// A line of a shell in which `kiln` has the settings of this worker.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        let line = format!("set -o pipefail; kiln() {{ \"$KILN\" \"$@\"; }}; {line}");
        command.args(["-c", &line]).env("KILN", kiln()).envs(self.environment.iter().cloned());
        command
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it ended");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
        let _ = std::fs::remove_file(&self.log);
    }
}

/// The `kiln` that was built with these tests.
pub fn kiln() -> PathBuf {
    let own = std::env::current_exe().expect("this program's path");
    // A test lies in a directory below, a binary beside it.
    let places = own.ancestors().skip(1).take(2).map(|place| place.join("kiln"));
    let kiln = places.into_iter().find(|kiln| kiln.exists());
    let kiln = kiln.unwrap_or_else(|| own.with_file_name("kiln"));
    assert!(kiln.exists(), "{} is not built; run `make test`", kiln.display());
    kiln
}

/// Starts a workflow by the `temporal` command, from a JSON file.
pub fn start(kind: &str, queue: &str, id: &str, document: &Value) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), document.to_string()).expect("the input");
    let file = file.path().to_str().expect("a path");
    let arguments =
        ["--task-queue", queue, "--workflow-id", id, "--type", kind, "--input-file", file];
    run(Command::new("temporal").args(["workflow", "start"]).args(arguments));
}

/// The result of a workflow by the `temporal` command: `status` and `result` or `failure`.
pub async fn result(id: &str) -> Value {
    let id = id.to_owned();
    let show = move || {
        run(Command::new("temporal").args([
            "workflow",
            "result",
            "--workflow-id",
            &id,
            "-o",
            "json",
        ]))
    };
    let shown = tokio::time::timeout(
        PATIENCE,
        tokio::task::spawn_blocking(move || std::panic::catch_unwind(show)),
    );
    match shown.await.expect("the build ends in its time").expect("the thread ends") {
        Ok(text) => serde_json::from_str(&text).expect("JSON"),
        Err(_) => json!({"status": "FAILED"}),
    }
}

/// A client of the cluster.
pub async fn cluster() -> Client {
    variable("KUBECONFIG");
    kilnworks_activities::cluster::connect().await.expect("the cluster answers")
}

/// The Pods of the build namespace that an installation made.
pub async fn pods(client: &Client, app: &str) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &variable("KILN_NAMESPACE"));
    let selector = ListParams::default().labels(&format!("kiln.io/app={app}"));
    pods.list(&selector).await.expect("the Pods").items
}

/// Runs an image once and gives what it prints.
pub async fn print(client: &Client, image: &str) -> String {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &variable("KILN_NAMESPACE"));
    let name = unique("run");
    let container =
        Container { name: "run".to_owned(), image: Some(image.to_owned()), ..Default::default() };
    let pod = Pod {
        metadata: kube::api::ObjectMeta { name: Some(name.clone()), ..Default::default() },
        spec: Some(PodSpec {
            containers: vec![container],
            host_network: Some(true),
            restart_policy: Some("Never".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    pods.create(&PostParams::default(), &pod).await.expect("a Pod");
    eventually(&format!("{image} to run"), PATIENCE, async || {
        let pod = pods.get(&name).await.expect("the Pod");
        let status = pod.status?.container_statuses?.pop()?;
        status.state?.terminated
    })
    .await;
    let log = pods.logs(&name, &LogParams::default()).await.expect("its log");
    let _ = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
    log
}

/// The names of Pods.
pub fn names(pods: &[Pod]) -> Vec<String> {
    let mut names: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
    names.sort();
    names
}
