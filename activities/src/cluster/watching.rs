//! The one watch over the Pods of this installation.

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

use crate::{metrics::metrics, object::Site, seen::SeenPod};

/// Seconds after which the API server ends the watch, to be begun again: before it could pass for
/// a silent call.
const WATCH_SECONDS: u32 = 50;

/// The one watch. No error ends it; it backs off and begins again.
pub(super) async fn pods(client: Client, site: Site, writer: Writer<SeenPod>, bell: Sender<u64>) {
    let pods = Api::<SeenPod>::namespaced(client, &site.settings.namespace);
    let selector = format!("{}={}", names::label("instance"), site.instance);
    let events = watcher(pods, watcher::Config::default().labels(&selector).timeout(WATCH_SECONDS))
        .default_backoff();
    let mut events = std::pin::pin!(reflector::reflector(writer, events));
    while let Some(event) = events.next().await {
        match event {
            Ok(_) => bell.send_modify(|count| *count += 1),
            Err(error) => {
                metrics().watch_interrupted();
                tracing::warn!(%error, "the watch over the Pods is interrupted");
            }
        }
    }
}
