//! Every build Pod that was ever seen, by one watch for the whole suite.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};

/// A Pod, by its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sighting {
    pub(super) app: String,
    pub(super) container: String,
    pub(super) run: String,
    pub(super) attempt: String,
    /// Which one of several platforms; empty where the container has one image.
    pub(super) platform: String,
    pub(super) name: String,
}

/// All sightings, by the Pod's UID.
#[derive(Clone, Default)]
pub(super) struct Sightings(Arc<Mutex<BTreeMap<String, Sighting>>>);

impl Sightings {
    /// Watches for as long as the program runs.
    pub(super) fn of(cluster: &Client) -> Self {
        let seen = Self::default();
        let pods = Api::<Pod>::all(cluster.clone());
        let config = watcher::Config::default().labels("kiln.io/app").timeout(50);
        let noted = seen.clone();
        tokio::spawn(async move {
            let events = watcher(pods, config).default_backoff().touched_objects();
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                // An interrupted watch starts again with a list.
                if let Ok(pod) = event {
                    noted.note(&pod);
                }
            }
        });
        seen
    }

    fn note(&self, pod: &Pod) {
        let label = |name: &str| {
            let value = pod.labels().get(&format!("kiln.io/{name}"));
            value.cloned().unwrap_or_default()
        };
        let sighting = Sighting {
            app: label("app"),
            container: label("container"),
            run: label("run"),
            attempt: label("attempt"),
            platform: label("platform"),
            name: pod.name_any(),
        };
        let mut seen = self.0.lock().expect("no panic holds it");
        seen.insert(pod.uid().unwrap_or_default(), sighting);
    }

    /// The Pods of apps whose names have this prefix.
    pub(super) fn of_apps(&self, prefix: &str) -> Vec<Sighting> {
        let seen = self.0.lock().expect("no panic holds it");
        seen.values().filter(|one| one.app.starts_with(prefix)).cloned().collect()
    }
}
