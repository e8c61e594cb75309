//! The cluster as a worker uses it: one client, and one watch over all Pods of this installation.
//! All steps share both.
//!
//! The watch is a cache and a notification, not proof. A step that does not find a Pod in the watch
//! asks the API before it decides. A waiting step looks again after each event and each second.

mod changes;
mod connect;
pub mod delete;
pub mod events;
mod launched;
pub mod nodes;
pub mod streams;
mod watching;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{failure::FailureType, names};
use kube::{
    Api, Client,
    api::ListParams,
    runtime::reflector::{self, Store},
};
use tokio::{sync::watch, task::AbortHandle};

pub(crate) use self::connect::{SILENCE, config};
pub use self::{changes::PodChanges, connect::connect, launched::Found};
use self::{events::Warnings, streams::Streams};
use crate::{
    error::fail,
    pod::{object::Site, phase, seen::SeenPod},
};

/// How long a step waits for the watch's first list.
const FIRST_LIST: Duration = Duration::from_secs(30);

/// The cluster. Its watch ends when it is dropped.
pub struct Cluster {
    /// The client for everything that is not watched.
    pub client: Client,
    /// The connections for logs that are followed.
    pub streams: Streams,
    /// What all objects of this installation share.
    pub site: Site,
    /// Places reserved for Pods that the watch does not show yet.
    taken: Arc<Mutex<usize>>,
    pods: Store<SeenPod>,
    /// Warnings from the cluster's events.
    pub warnings: Warnings,
    changes: watch::Receiver<u64>,
    watching: Option<AbortHandle>,
}

/// State of the watch over the Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// The watch has not listed all Pods yet.
    Begins,
    /// The watch runs, or reconnects.
    Runs,
    /// The watch has ended. This is a bug: nothing restarts it.
    Ended,
}

impl Cluster {
    /// Connects to a site's cluster and starts the watch.
    pub fn new(client: Client, site: Site) -> Self {
        let (pods, writer) = reflector::store();
        let (notify, changes) = watch::channel(0);
        let task = tokio::spawn(watching::pods(client.clone(), site.clone(), writer, notify));
        let mut cluster = Self::of(client, site, pods, changes);
        cluster.streams = Streams::of_environment();
        cluster.watching = Some(task.abort_handle());
        cluster
    }

    /// A cluster whose Pods come from this cache instead of a watch.
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

    /// The Pods of the build namespace with all their fields, to create one.
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

    /// The state of the watch.
    pub fn watching(&self) -> Watching {
        match &self.watching {
            Some(task) if task.is_finished() => Watching::Ended,
            _ if self.pods.wait_until_ready().now_or_never().is_none() => Watching::Begins,
            _ => Watching::Runs,
        }
    }

    /// Whether the API server answers and lets the worker list its Pods.
    pub async fn answers(&self) -> anyhow::Result<()> {
        let ours = format!("{}={}", names::label("instance"), self.site.instance);
        let listed = self.pods().list(&ListParams::default().labels(&ours).limit(1)).await;
        listed.map(drop).map_err(|error| unavailable("list the Pods", &error))
    }

    /// Notifications of changed Pods.
    pub fn changes(&self) -> PodChanges {
        PodChanges(self.changes.clone())
    }

    /// The number of unfinished build Pods.
    pub fn unfinished(&self) -> usize {
        let now = Timestamp::now();
        self.pods.state_filter(|pod| !phase::is_over(pod, now)).len()
    }

    /// Reserves a place for one Pod, or returns how many run if there is none. The caller keeps the
    /// place until the watch shows the Pod, because launches of this worker run concurrently. Workers
    /// do not see each other's places: if `n` workers launch at once, there may be `n - 1` Pods too many.
    pub fn room(&self, limit: usize) -> Result<Room, usize> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // A Pod that the watch shows already may count twice for a moment, which is the safe side.
        let running = self.unfinished() + *taken;
        if running >= limit {
            return Err(running);
        }
        *taken += 1;
        Ok(Room(self.taken.clone()))
    }
}

/// A reserved place for a Pod. Dropping it frees the place.
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

/// The failure of a call to the API server.
pub fn unavailable(what: &str, error: &kube::Error) -> anyhow::Error {
    let message = format!("cannot {what}: {}", api_message(error));
    fail(FailureType::ClusterUnavailable, message)
}

/// The API server's message, without the debug output of its status.
pub fn api_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
