//! A case's own workers and builds, and the faults found so far.

use std::{
    ops::{Deref, Range},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kilnworks_workflows::{BuildApp, build::raw, output::BuildOutput};
use kube::Api;
use serde_json::{Value, json};
use tempfile::TempDir;
use temporalio_client::{Client, WorkflowStartOptions};

use super::{Build, Recipe, Stage, recipe::small, table::Verdict};
use crate::{
    engine::{End, variable},
    stack::{Worker, publish, spec, unique},
};

/// A worker of a case.
#[derive(Clone)]
pub struct Hand(Arc<Mutex<Worker>>, pub PathBuf);

impl Hand {
    fn worker(&self) -> std::sync::MutexGuard<'_, Worker> {
        self.0.lock().expect("no panic holds it")
    }

    /// Ends it with SIGKILL.
    pub fn kill(&self) {
        self.worker().kill();
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(&self) {
        self.worker().terminate();
        self.ended().await;
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        until(|| async { self.has_ended() }).await;
    }

    /// Waits until its log says something.
    pub async fn says(&self, text: &str) {
        until(|| async { self.log().contains(text) }).await;
    }

    pub fn log(&self) -> String {
        self.worker().log()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.worker().has_ended()
    }
}

/// Waits for a condition. The case's limit bounds it.
pub(super) async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    while !condition().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What one case works with.
#[derive(Clone)]
pub struct Scene(Arc<Inner>);

pub struct Inner {
    pub stage: Arc<Stage>,
    /// Prefix of its apps; its task queue and its installation too.
    pub name: String,
    pub directory: TempDir,
    pub(super) begun: Instant,
    pub(super) found: Mutex<Verdict>,
    pub(super) builds: Mutex<Vec<Build>>,
    pub(super) ended: Mutex<Vec<BuildOutput>>,
    pub(super) hands: Mutex<Vec<Hand>>,
    random: Mutex<fastrand::Rng>,
}

impl Deref for Scene {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Scene {
    pub(super) fn of(stage: Arc<Stage>, case: &str) -> Self {
        // The same seed strikes a case at the same moments, whichever cases run beside it.
        let seed = case
            .bytes()
            .fold(stage.seed, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        Self(Arc::new(Inner {
            stage,
            name: unique("chaos"),
            directory: tempfile::Builder::new().prefix("chaos-").tempdir().expect("a directory"),
            begun: Instant::now(),
            found: Mutex::new(Verdict::of(case)),
            builds: Mutex::default(),
            ended: Mutex::default(),
            hands: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }))
    }

    /// Starts a worker with a cache of its own, as on another machine, and waits until it polls.
    pub async fn worker(&self, settings: &[(&str, &str)]) -> Hand {
        let number = self.hands.lock().expect("no panic").len();
        let cache = self.directory.path().join(format!("cache-{number}"));
        let path = cache.to_str().expect("a path");
        let own = [("KILN_CACHE_DIR", path), ("KILN_HEARTBEAT", "3s"), ("KILN_GRACE", "5s")];
        let settings: Vec<_> = own.iter().chain(settings).copied().collect();
        let worker = Worker::start(&self.name, &settings).await;
        let hand = Hand(Arc::new(Mutex::new(worker)), cache);
        self.hands.lock().expect("no panic").push(hand.clone());
        hand
    }

    /// A spec of these containers, published. Its context is no other's.
    pub fn document(&self, recipes: &[Recipe]) -> Value {
        self.document_by(&variable("KILN_REGISTRY"), recipes)
    }

    /// The same, with another address of the registry.
    pub fn document_by(&self, registry: &str, recipes: &[Recipe]) -> Value {
        let mut files = Vec::new();
        let mut containers = Vec::new();
        for (index, recipe) in recipes.iter().enumerate() {
            let name = format!("c{index}");
            let Some(dockerfile) = recipe.dockerfile(registry) else {
                containers.push(json!({"name": name, "image": small(registry)}));
                continue;
            };
            files.push((format!("{name}/Dockerfile"), dockerfile));
            let bytes = if let Recipe::Random(bytes) = recipe { *bytes } else { 16 };
            files.push((format!("{name}/random"), self.random_text(bytes)));
            let mut container = json!({"name": name, "contextDir": name});
            if matches!(recipe, Recipe::TwoPlatforms) {
                // No node has a label for a variant, so every amd64 node takes both Pods.
                container["platforms"] = json!(["linux/amd64", "linux/amd64/v2"]);
            }
            containers.push(container);
        }
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), &**text)).collect();
        let app = format!("{}-{}", self.name, self.builds.lock().expect("no panic").len());
        let mut document = spec(&app, &publish(&unique("chaos"), &files), json!(containers));
        document["defaults"]["registry"]["prefix"] = json!(format!("{registry}/{app}"));
        // A workflow reserves an automatic version, and the faults strike that workflow, too.
        document["version"] = json!("auto");
        document
    }

    /// Text of which every byte holds six random bits.
    fn random_text(&self, bytes: usize) -> String {
        let mut random = self.random.lock().expect("no panic");
        std::iter::repeat_with(|| random.alphanumeric()).take(bytes).collect::<String>()
            + &unique("")
    }

    /// Publishes and starts a build.
    pub async fn build(&self, recipes: &[Recipe]) -> Build {
        self.start(self.document(recipes), recipes).await
    }

    /// Starts a build of a document that was made of these recipes.
    pub async fn start(&self, document: Value, recipes: &[Recipe]) -> Build {
        self.start_on(&self.stage.engine, document, recipes).await
    }

    /// The same, on an engine of its own.
    pub async fn start_on(&self, engine: &Client, document: Value, recipes: &[Recipe]) -> Build {
        let app = document["app"].as_str().expect("a name").to_owned();
        let options = WorkflowStartOptions::new(&self.name, &app).build();
        let begun = Instant::now();
        let started = engine.start_workflow(BuildApp::run, raw(&document), options).await;
        started.expect("the workflow starts");
        let handle = Arc::new(engine.get_workflow_handle::<BuildApp>(&app));
        let plain = self.stage.plain(recipes);
        let build = Build { id: app.clone(), app, plain, begun, handle };
        self.builds.lock().expect("no panic").push(build.clone());
        self.found.lock().expect("no panic").builds += 1;
        build
    }

    /// Starts a workflow whose id is taken.
    pub async fn again(&self, build: &Build, document: &Value) -> Result<(), String> {
        let options = WorkflowStartOptions::new(&self.name, &build.id).build();
        let started = self.stage.engine.start_workflow(BuildApp::run, raw(document), options).await;
        started.map(drop).map_err(|error| error.to_string())
    }

    /// Waits for a moment of the case's own, in seconds.
    pub async fn moment(&self, seconds: Range<f64>) {
        let share = self.random.lock().expect("no panic").f64();
        let seconds = seconds.start + share * (seconds.end - seconds.start);
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// A number of the case's own.
    pub fn number(&self, range: Range<u64>) -> u64 {
        self.random.lock().expect("no panic").u64(range)
    }

    /// Waits until one of a build's Pods runs.
    pub async fn running(&self, build: &Build) -> Pod {
        loop {
            let pods = self.pods(build).await;
            let mut running = pods.into_iter().filter(|pod| {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
            });
            if let Some(pod) = running.next() {
                return pod;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The Pods of a build now; none where the cluster cannot be asked.
    pub async fn pods(&self, build: &Build) -> Vec<Pod> {
        let pods = Api::<Pod>::all(self.stage.cluster.clone());
        let selector =
            kube::api::ListParams::default().labels(&format!("kiln.io/app={}", build.app));
        pods.list(&selector).await.map(|list| list.items).unwrap_or_default()
    }

    /// Waits until a build's progress contains a text.
    pub async fn says_it_waits(&self, build: &Build, reason: &str) {
        until(|| async { build.progress().await.contains(reason) }).await;
    }

    /// The build must end with every image in its registry.
    pub async fn succeeds(&self, build: &Build) -> Option<BuildOutput> {
        match build.end().await {
            End::Succeeded(output) => {
                let extra = build.begun.elapsed().saturating_sub(build.plain);
                for missing in self.stage.registry.missing(&output).await {
                    self.lost(missing);
                }
                self.ended.lock().expect("no panic").push(output.clone());
                let mut found = self.found.lock().expect("no panic");
                found.extra = Some(found.extra.map_or(extra, |before| before.max(extra)));
                Some(output)
            }
            other => {
                self.lost(format!("{} should have succeeded: {other:?}", build.id));
                None
            }
        }
    }

    /// The build must fail with this public type, and its message must contain these words.
    pub async fn fails(&self, build: &Build, kind: &str, words: &str) {
        match build.end().await {
            End::Failed(found, details)
                if found == kind
                    && details.failures.iter().any(|one| one.message.contains(words)) => {}
            other => {
                self.lost(format!("{} should fail: {kind}, `{words}`: {other:?}", build.id));
            }
        }
    }

    /// The build must end as cancelled.
    pub async fn is_cancelled(&self, build: &Build) {
        match build.end().await {
            End::Cancelled => {}
            other => self.lost(format!("{} should be cancelled: {other:?}", build.id)),
        }
    }

    /// Records that something is not as it should be.
    pub fn lost(&self, what: String) {
        self.found.lock().expect("no panic").lost.push(what);
    }
}
