//! The cluster as a worker sees it: one client, and one watch over all Pods of this installation,
//! which every step shares.
//!
//! The watch is a cache and a bell, never an answer: whoever misses a Pod in it asks the API before
//! judging, and a step that waits looks again with every event and every second.

mod watching;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use anyhow::Context;
use futures::FutureExt;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    failure::FailureType,
    names,
    steps::{Launched, LaunchedKind},
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::ListParams,
    runtime::reflector::{self, ObjectRef, Store},
};
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    error::fail, events::Warnings, log::streams::Streams, object::Site, phase, seen::SeenPod,
};

/// Label that the Job controller puts on a Job's Pod: the Job's UID.
pub const JOB_UID: &str = "batch.kubernetes.io/controller-uid";

/// Silence after which a call has failed.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// How long a step waits for the watch's first list.
const FIRST_LIST: Duration = Duration::from_secs(30);

/// Pause after which a waiting step looks at its clocks, whatever the watch says.
const TICK: Duration = Duration::from_secs(1);

/// The cluster. Dropped, its watch ends.
pub struct Cluster {
    /// The client, for all that is not watched.
    pub client: Client,
    /// Connections for logs that are followed.
    pub streams: Streams,
    /// What all objects of this installation share.
    pub site: Site,
    /// How many places are taken for Pods that the watch may not show yet.
    taken: Arc<Mutex<usize>>,
    /// How many launches of this worker wait for room.
    pub waiting: AtomicUsize,
    pods: Store<SeenPod>,
    /// What the events say of waits.
    pub warnings: Warnings,
    changes: watch::Receiver<u64>,
    watching: Option<AbortHandle>,
}

/// A client of the cluster that the environment names: `KUBECONFIG`, or the Pod's own account.
///
/// What every call goes through, but for logs that are followed: those have [`Streams`].
pub async fn connect() -> anyhow::Result<Client> {
    Client::try_from(config().await?).context("cannot make a client of the cluster")
}

/// The cluster that the environment names, as it is described now: a token or a certificate may be
/// another one than it was.
///
/// The process's TLS provider is settled here: the dependencies bring two, and neither is chosen
/// by itself where both are.
pub(crate) async fn config() -> anyhow::Result<Config> {
    // It may be settled already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut config = Config::infer().await.context(
        "cannot find the cluster: set `KUBECONFIG`, or run in it with a service account",
    )?;
    // Without it a connection that died in silence would hold its step for ever.
    config.read_timeout = Some(SILENCE);
    Ok(config)
}

/// How the watch over the Pods is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// It has not listed all Pods yet.
    Begins,
    /// It tells of every change, or tries to.
    Runs,
    /// It has ended, which it never should: nothing begins it again.
    Ended,
}

/// What became of a created Pod or Job.
pub enum Found {
    /// Its Pod.
    Pod(Arc<SeenPod>),
    /// A Job whose Pod is not there yet.
    NotYet,
    /// Nothing: it was deleted.
    Gone,
}

impl Cluster {
    /// The cluster of a site, watched from now on.
    pub fn new(client: Client, site: Site) -> Self {
        let (pods, writer) = reflector::store();
        let (bell, changes) = watch::channel(0);
        let task = tokio::spawn(watching::pods(client.clone(), site.clone(), writer, bell));
        let mut cluster = Self::of(client, site, pods, changes);
        cluster.streams = Streams::of_environment();
        cluster.watching = Some(task.abort_handle());
        cluster
    }

    /// A cluster whose cached Pods come from elsewhere.
    pub(crate) fn of(
        client: Client,
        site: Site,
        pods: Store<SeenPod>,
        changes: watch::Receiver<u64>,
    ) -> Self {
        Self {
            streams: Streams::through(client.clone()),
            client,
            site,
            taken: Arc::default(),
            waiting: AtomicUsize::default(),
            pods,
            warnings: Warnings::default(),
            changes,
            watching: None,
        }
    }

    /// The Pods of the build namespace.
    pub fn pods(&self) -> Api<SeenPod> {
        Api::namespaced(self.client.clone(), &self.site.settings.namespace)
    }

    /// The same, to create one: for that all of it counts.
    pub fn new_pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.site.settings.namespace)
    }

    /// The Jobs of the build namespace.
    pub fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.site.settings.namespace)
    }

    /// Waits until the watch has listed all Pods once.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let ready = tokio::time::timeout(FIRST_LIST, self.pods.wait_until_ready());
        match ready.await {
            Ok(Ok(())) => Ok(()),
            _ => Err(fail(
                FailureType::ClusterUnavailable,
                "the cluster's Pods could not be listed yet",
            )),
        }
    }

    /// How the watch is.
    pub fn watching(&self) -> Watching {
        match &self.watching {
            Some(task) if task.is_finished() => Watching::Ended,
            _ if self.pods.wait_until_ready().now_or_never().is_none() => Watching::Begins,
            _ => Watching::Runs,
        }
    }

    /// Whether the API server answers, and lets us see our Pods.
    pub async fn answers(&self) -> anyhow::Result<()> {
        let ours = format!("{}={}", names::label("instance"), self.site.instance);
        let listed = self.pods().list(&ListParams::default().labels(&ours).limit(1)).await;
        listed.map(drop).map_err(|error| unavailable("list the Pods", &error))
    }

    /// Rings with every change of a Pod, and once a second.
    pub fn bell(&self) -> Bell {
        Bell(self.changes.clone())
    }

    /// How many Pods of ours are unfinished.
    pub fn unfinished(&self) -> usize {
        let now = Timestamp::now();
        self.pods.state_filter(|pod| !phase::is_over(pod, now)).len()
    }

    /// Takes a place for one Pod, or says how many run where there is none. It is to be kept until
    /// the watch shows the Pod: launches of this worker go side by side, and must not all take the
    /// same place. Workers do not see each other's: with `n` of them, as many Pods too many may run
    /// for a moment as `n - 1` of them launch at once.
    pub fn room(&self, limit: usize) -> Result<Room, usize> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is shown already counts twice for a moment, which errs on the safe side.
        let running = self.unfinished() + *taken;
        if running >= limit {
            return Err(running);
        }
        *taken += 1;
        Ok(Room(self.taken.clone()))
    }

    /// Whether the watch shows a Pod that equal builds share by this.
    pub fn shows(&self, share: &str) -> bool {
        let label = names::label("shared");
        self.pods.find(|pod| pod.labels().get(&label).is_some_and(|it| it == share)).is_some()
    }

    /// What became of a created Pod or Job: from the watch, or from the API where that knows
    /// nothing.
    pub async fn find(&self, launched: &Launched) -> anyhow::Result<Found> {
        match self.watched(launched) {
            Some(pod) => Ok(Found::Pod(pod)),
            None => self.ask(launched).await,
        }
    }

    /// The Pod as the watch knows it.
    pub fn watched(&self, launched: &Launched) -> Option<Arc<SeenPod>> {
        match launched.kind {
            LaunchedKind::Pod => {
                let key = ObjectRef::new(&launched.name).within(&launched.namespace);
                let pod = self.pods.get(&key);
                pod.filter(|pod| pod.uid().as_ref() == Some(&launched.uid))
            }
            LaunchedKind::Job => {
                self.pods.find(|pod| pod.labels().get(JOB_UID) == Some(&launched.uid))
            }
        }
    }

    /// What became of a created Pod or Job, from the API.
    pub async fn ask(&self, launched: &Launched) -> anyhow::Result<Found> {
        match launched.kind {
            LaunchedKind::Pod => {
                let pod = self.pods().get_opt(&launched.name).await;
                let pod = pod.map_err(|error| unavailable("read the Pod", &error))?;
                let pod = pod.filter(|pod| pod.uid().as_ref() == Some(&launched.uid));
                Ok(pod.map_or(Found::Gone, |pod| Found::Pod(Arc::new(pod))))
            }
            LaunchedKind::Job => self.ask_for_job(launched).await,
        }
    }

    async fn ask_for_job(&self, launched: &Launched) -> anyhow::Result<Found> {
        let selector = ListParams::default().labels(&format!("{JOB_UID}={}", launched.uid));
        let pods = self.pods().list(&selector).await;
        let pods = pods.map_err(|error| unavailable("list the Job's Pods", &error))?;
        if let Some(pod) = pods.items.into_iter().next() {
            return Ok(Found::Pod(Arc::new(pod)));
        }
        let job = self.jobs().get_opt(&launched.name).await;
        let job = job.map_err(|error| unavailable("read the Job", &error))?;
        let waits = job.is_some_and(|job| {
            job.uid().as_ref() == Some(&launched.uid)
                && job.metadata.deletion_timestamp.is_none()
                && !phase::is_job_failed(&job)
        });
        Ok(if waits { Found::NotYet } else { Found::Gone })
    }
}

/// A place for a Pod, free again with this.
pub struct Room(Arc<Mutex<usize>>);

impl Drop for Room {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(watching) = &self.watching {
            watching.abort();
        }
    }
}

/// Rings with every change of a Pod, and once a second.
pub struct Bell(watch::Receiver<u64>);

impl Bell {
    /// Waits for the next ring. What changed since the last one rings at once.
    pub async fn rung(&mut self) {
        // A second without a ring is one, too.
        let _ = tokio::time::timeout(TICK, self.ring()).await;
    }

    /// Waits until the watch shows another Pod than was seen. Thousands wait, and each change of any
    /// Pod rings for all of them.
    pub async fn rung_for(&mut self, cluster: &Cluster, of: &Launched, seen: Option<&SeenPod>) {
        let address = |pod: &SeenPod| std::ptr::from_ref(pod);
        let ring = async {
            loop {
                self.ring().await;
                if cluster.watched(of).as_deref().map(address) != seen.map(address) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(TICK, ring).await;
    }

    async fn ring(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// The cluster cannot be asked now.
pub fn unavailable(what: &str, error: &kube::Error) -> anyhow::Error {
    let message = format!("cannot {what}: {}", api_message(error));
    fail(FailureType::ClusterUnavailable, message)
}

/// What the API says, without the debug form that a status prints.
pub fn api_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
