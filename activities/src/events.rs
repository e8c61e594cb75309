//! What the cluster says about an object beside its status: its events. They tell of a volume that
//! cannot be mounted, or of a Job whose Pod a quota refuses.

use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};

use crate::cluster::Cluster;

/// The latest warning about the object with this UID. What cannot be read now is nothing: events
/// explain a wait, they decide nothing.
pub async fn latest_warning(cluster: &Cluster, uid: &str) -> Option<String> {
    let events: Api<Event> =
        Api::namespaced(cluster.client.clone(), &cluster.site.settings.namespace);
    let about = format!("involvedObject.uid={uid},type=Warning");
    let events = events.list(&ListParams::default().fields(&about)).await.ok()?;
    let latest = events.items.into_iter().max_by_key(time)?;
    let parts = [latest.reason, latest.message].into_iter().flatten();
    Some(parts.collect::<Vec<_>>().join(": "))
}

fn time(event: &Event) -> Option<i64> {
    let last = event.last_timestamp.as_ref().map(|time| time.0.as_second());
    let first = event.event_time.as_ref().map(|time| time.0.as_second());
    last.or(first)
}
