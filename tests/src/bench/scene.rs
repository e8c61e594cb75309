//! What one line works with, and what it has made.

use std::{
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kilnworks_workflows::{BuildApp, BuildContainer, names, output::BuildOutput};
use kube::Api;
use serde_json::{Value, json};
use tempfile::TempDir;
use temporalio_client::{Client, WorkflowHandle, errors::WorkflowInteractionError};
use temporalio_common::{HasWorkflowDefinition, data_converters::RawValue};
use tokio::sync::Mutex as AsyncMutex;

use super::fake_node::FakeNode;
use crate::{
    engine::{self, end, variable},
    stack::{self, Worker, spec, unique},
};

/// What one line works with.
pub struct Scene {
    pub(super) engine: Client,
    pub(super) cluster: kube::Client,
    /// Prefix of all that it makes; its task queue and its installation too.
    pub(super) name: String,
    pub(super) directory: TempDir,
    pub(super) node: AsyncMutex<Option<FakeNode>>,
    workers: Mutex<Vec<Worker>>,
    /// What the workers logged that have ended.
    logged: Mutex<String>,
    /// Ids of the workflows that it has started, those of their children included.
    pub(super) workflows: Mutex<Vec<String>>,
    /// Keys in the store, beside those that its workers tell of.
    pub(super) keys: Mutex<Vec<String>>,
    /// Its apps.
    pub(super) apps: Mutex<Vec<String>>,
}

impl Scene {
    pub(super) async fn open(line: &str) -> Result<Self> {
        Ok(Self {
            engine: engine::client().await,
            cluster: stack::cluster().await,
            name: unique("bench"),
            directory: tempfile::Builder::new().prefix(&format!("bench-{line}-")).tempdir()?,
            node: AsyncMutex::default(),
            workers: Mutex::default(),
            logged: Mutex::default(),
            workflows: Mutex::default(),
            keys: Mutex::default(),
            apps: Mutex::default(),
        })
    }

    /// The Pods of the build namespace.
    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.clone(), &variable("KILN_NAMESPACE"))
    }

    /// Starts a worker with an empty cache, and gives the id of its process.
    pub(super) async fn worker(&self, settings: &[(&str, &str)]) -> u32 {
        let cache = self.directory.path().join("cache");
        let own = [
            ("KILN_CACHE_DIR", cache.to_str().expect("a path")),
            ("KILN_HEARTBEAT", "60s"),
            // As in its image.
            ("MALLOC_ARENA_MAX", "2"),
        ];
        let settings: Vec<_> = own.iter().chain(settings).copied().collect();
        let worker = Worker::start(&self.name, &settings).await;
        let id = worker.id();
        self.workers.lock().expect("no panic holds it").push(worker);
        id
    }

    /// Starts a worker whose builds land on a fake node: there they end at once with this digest,
    /// or never.
    pub(super) async fn fake_worker(&self, digest: Option<&str>, most: u32) -> Result<u32> {
        let node = FakeNode::start(&self.cluster, &self.name, self.directory.path()).await?;
        let template: PathBuf = node.template(digest);
        *self.node.lock().await = Some(node);
        let (template, most) = (template.to_str().expect("a path"), most.to_string());
        let settings = [("KILN_POD_TEMPLATE", template), ("KILN_MAX_BUILDS", most.as_str())];
        Ok(self.worker(&settings).await)
    }

    /// Ends its workers, so that the next one has the queue to itself. What they logged is kept.
    pub(super) fn stop_workers(&self) {
        let mut workers = self.workers.lock().expect("no panic holds it");
        let mut logged = self.logged.lock().expect("no panic holds it");
        workers.drain(..).for_each(|worker| logged.push_str(&worker.log()));
    }

    /// What the workers have logged.
    pub(super) fn log(&self) -> String {
        let workers = self.workers.lock().expect("no panic holds it");
        let logged = self.logged.lock().expect("no panic holds it").clone();
        logged + &workers.iter().map(Worker::log).collect::<String>()
    }

    /// Shows why a line could not be measured.
    pub(super) fn show(&self) {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].iter().for_each(|line| eprintln!("    {line}"));
    }

    /// An app of the scene's own.
    pub(super) fn app(&self) -> String {
        let mut apps = self.apps.lock().expect("no panic holds it");
        let app = format!("{}-{}", self.name, apps.len());
        apps.push(app.clone());
        app
    }

    /// One container of an app, as `BuildContainer` takes it.
    pub(super) fn container(&self, app: &str, url: &str, revision: &str) -> Value {
        let mut defaults = spec(app, url, json!([]))["defaults"].take();
        defaults["source"]["git"]["revision"] = json!(revision);
        json!({"app": app, "defaults": defaults, "component": "web", "container": {"name": "one"}})
    }

    /// Starts a workflow.
    pub(super) async fn start<W>(
        &self,
        workflow: W,
        document: &Value,
    ) -> (String, WorkflowHandle<Client, W>)
    where
        W: HasWorkflowDefinition<Input = RawValue>,
    {
        let id = unique(&self.name);
        self.workflows.lock().expect("no panic holds it").push(id.clone());
        let handle = engine::start(&self.engine, workflow, &self.name, &id, document.clone()).await;
        (id, handle)
    }

    /// Builds a container, and says how long that took from its start to its result.
    pub(super) async fn build(&self, document: &Value) -> (Duration, BuildOutput) {
        let begun = Instant::now();
        let (_, handle) = self.start(BuildContainer::run, document).await;
        let output = end(&handle).await.output();
        (begun.elapsed(), output)
    }

    /// The same for an app; its workflows' ids come along.
    pub(super) async fn build_app(&self, document: &Value) -> (Duration, BuildOutput, Vec<String>) {
        let begun = Instant::now();
        let (id, handle) = self.start(BuildApp::run, document).await;
        let output = end(&handle).await.output();
        let took = begun.elapsed();
        let ids = family(&id, &output);
        self.workflows.lock().expect("no panic holds it").extend(ids.iter().skip(1).cloned());
        (took, output, ids)
    }
}

/// The ids of an app's workflow and of those below it.
pub(super) fn family(id: &str, output: &BuildOutput) -> Vec<String> {
    let mut ids = vec![id.to_owned()];
    for image in &output.images {
        let component = names::child_workflow_id(id, &image.component);
        let container = names::child_workflow_id(&component, &image.container);
        ids.extend(
            [component, container].into_iter().filter(|id| !ids.contains(id)).collect::<Vec<_>>(),
        );
    }
    ids
}

/// Events of all these workflows' histories. A container whose image was there already may have
/// none.
pub(super) async fn events(client: &Client, ids: &[String]) -> Result<usize> {
    let mut events = 0;
    for id in ids {
        let handle = client.get_workflow_handle::<BuildApp>(id);
        events += match handle.describe(Default::default()).await {
            Ok(described) => described.history_length(),
            Err(WorkflowInteractionError::NotFound(_)) => 0,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(events)
}
