//! The watch over the Pods of this installation.

use futures::StreamExt;
use kilnworks_workflows::names;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt,
        reflector::{self, store::Writer},
        watcher,
    },
};
use tokio::sync::watch::Sender;

use crate::{
    metrics::metrics,
    pod::{object::Site, seen::SeenPod},
};

/// Seconds after which the API server ends the watch, and the worker starts it again: less than the
/// silence after which a call has failed.
const WATCH_SECONDS: u32 = 50;

/// Runs the watch. It retries after every error, with increasing pauses.
pub(super) async fn pods(client: Client, site: Site, writer: Writer<SeenPod>, notify: Sender<u64>) {
    let pods = Api::<SeenPod>::namespaced(client, &site.settings.namespace);
    let selector = format!("{}={}", names::label("instance"), site.instance);
    let events = watcher(pods, watcher::Config::default().labels(&selector).timeout(WATCH_SECONDS))
        .default_backoff();
    let mut events = std::pin::pin!(reflector::reflector(writer, events));
    while let Some(event) = events.next().await {
        match event {
            Ok(_) => notify.send_modify(|count| *count += 1),
            Err(error) => {
                metrics().watch_interrupted();
                tracing::warn!(%error, "the watch over the Pods is interrupted");
            }
        }
    }
}
