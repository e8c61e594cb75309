//! What the steps share: opens it, ends it, and reports its state.

use std::sync::Arc;

use anyhow::Context;
use kilnworks_workflows::steps::EngineSettings;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{self, Cluster, Watching},
    error::Unanswered,
    log::Logs,
    pod::{access::Access, object::Site},
    registry::RegistryClient,
    secrets::Secrets,
    settings::{Settings, SweepSettings},
    source::Sources,
    start,
    store::{self, ContextStore},
};

/// What the steps work with, opened once per worker.
pub struct Activities {
    pub(crate) engine: EngineSettings,
    pub(crate) sources: Sources,
    pub(crate) store: Box<dyn ContextStore>,
    log_bytes: u64,
    pub(crate) cluster: Cluster,
    pub(crate) registry: RegistryClient,
    pub(crate) sweep: SweepSettings,
    stopping: CancellationToken,
}

impl Activities {
    /// Opens everything, and fails with a remedy if something that a build needs is missing.
    ///
    /// `temporal_namespace` is the id of the Temporal namespace, which no other server's namespace has. It
    /// distinguishes the objects of this installation from those of another installation with its name.
    pub async fn open(settings: Settings, temporal_namespace: &str) -> anyhow::Result<Arc<Self>> {
        let namespace = settings.cluster.namespace.clone();
        let site = Site::new(settings.cluster, temporal_namespace, &settings.install)?;
        let client = cluster::connect().await?;
        start::check_namespace(&client, &namespace).await?;
        start::check_rights(&client, &namespace).await?;
        let secrets = Secrets::Cluster { client: client.clone(), namespace: namespace.clone() };
        let sources = Sources::open(&settings.cache_dir, settings.cache_bytes, secrets)?;
        let store = store::open(&settings.store).await?;
        // A store that is asked for something that is not there reports what is wrong with itself.
        store.read("start").await.context("the store cannot be used")?;
        start::check_mounts(&client, &namespace, &Access::of(store.location("start"))).await?;
        Ok(Arc::new(Self {
            engine: EngineSettings {
                heartbeat: settings.heartbeat,
                max_attempts: settings.max_attempts,
            },
            sources,
            store,
            log_bytes: settings.log_bytes,
            registry: RegistryClient::new(client.clone(), &namespace),
            cluster: Cluster::new(client, site),
            sweep: settings.sweep,
            stopping: CancellationToken::new(),
        }))
    }

    /// Leaves the builds that this worker waits for to another worker.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits until the worker stops. Then the step fails, and Temporal runs it on another worker.
    pub(crate) async fn until_stopped<T>(
        &self,
        wait: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            outcome = wait => outcome,
            () = self.stopping.cancelled() => {
                Err(Unanswered("this worker stops; another worker takes over".to_owned()).into())
            }
        }
    }

    pub(crate) fn logs(&self) -> Logs<'_> {
        Logs { store: &*self.store, max_bytes: self.log_bytes }
    }

    /// Whether the cluster answers, and gives us our Pods.
    pub async fn check_cluster(&self) -> anyhow::Result<()> {
        self.cluster.answers().await
    }

    /// Whether the worker still has every right that a build needs.
    pub async fn check_rights(&self) -> anyhow::Result<()> {
        start::check_rights(&self.cluster.client, &self.cluster.site.settings.namespace).await
    }

    /// How the watch over the Pods is.
    pub fn watching(&self) -> Watching {
        self.cluster.watching()
    }

    /// How many build Pods are unfinished, and how many may be.
    pub fn pods(&self) -> (usize, u32) {
        (self.cluster.unfinished(), self.cluster.site.settings.max_builds)
    }
}
