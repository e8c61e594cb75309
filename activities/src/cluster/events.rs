//! Warnings from the cluster's events. They explain what a Pod's status does not: a volume that cannot
//! be mounted, or a Job whose Pod a quota refuses.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use tokio::sync::Mutex;

use crate::cluster::Cluster;

/// Age at which the warnings are read again.
const FRESH: Duration = Duration::from_secs(2);

/// Reading takes at most one part in this many of the time.
const SHARE: u32 = 20;

/// The warnings of the namespace, read once for all waiting builds. The API server searches all
/// events for each list, so a list per build would overload it.
#[derive(Default)]
pub struct Warnings(Mutex<Read>);

#[derive(Default)]
struct Read {
    /// The earliest time of the next reading.
    due: Option<Instant>,
    /// The latest warning about each object, by its UID, with its time.
    latest: HashMap<String, (Option<i64>, String)>,
}

impl Warnings {
    /// The latest warning about the object with this UID, at most about two seconds old. If the events
    /// cannot be read, this is the last known warning: events explain a wait and decide nothing.
    pub async fn latest(&self, cluster: &Cluster, uid: &str) -> Option<String> {
        // Other callers wait while one reads.
        let mut read = self.0.lock().await;
        if read.due.is_none_or(|due| due <= Instant::now()) {
            let begun = Instant::now();
            if let Some(latest) = latest(cluster).await {
                read.latest = latest;
            }
            read.due = Some(Instant::now() + FRESH.max(begun.elapsed() * SHARE));
        }
        read.latest.get(uid).map(|(_, text)| text.clone())
    }
}

async fn latest(cluster: &Cluster) -> Option<HashMap<String, (Option<i64>, String)>> {
    let events: Api<Event> =
        Api::namespaced(cluster.client.clone(), &cluster.site.settings.namespace);
    let warnings = events.list(&ListParams::default().fields("type=Warning")).await.ok()?;
    let mut latest = HashMap::new();
    for event in warnings.items {
        let at = time(&event);
        let parts = [event.reason, event.message].into_iter().flatten();
        let text = parts.collect::<Vec<_>>().join(": ");
        let known = latest.entry(event.involved_object.uid.unwrap_or_default());
        let known = known.or_insert_with(|| (at, text.clone()));
        if known.0 < at {
            *known = (at, text);
        }
    }
    Some(latest)
}

fn time(event: &Event) -> Option<i64> {
    let last = event.last_timestamp.as_ref().map(|time| time.0.as_second());
    let first = event.event_time.as_ref().map(|time| time.0.as_second());
    last.or(first)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Warnings;
    use crate::fixtures::{Scenario, call};

    fn event(uid: &str, at: &str, message: &str) -> Value {
        json!({
            "metadata": {}, "involvedObject": {"uid": uid}, "type": "Warning",
            "lastTimestamp": at, "reason": "FailedMount", "message": message,
        })
    }

    #[tokio::test]
    async fn all_who_wait_read_once() {
        let items = json!([
            event("one", "2026-01-31T10:00:02Z", "the later one"),
            event("one", "2026-01-31T10:00:01Z", "the earlier one"),
            event("two", "2026-01-31T10:00:01Z", "another"),
        ]);
        let listed = json!({"metadata": {}, "items": items});
        let path = "events?&fieldSelector=type%3DWarning";
        // A second reading would find nothing.
        let nothing = json!({"metadata": {}, "items": []});
        let calls = vec![call("GET", path, 200, listed), call("GET", path, 200, nothing)];
        let (_scenario, cluster) = Scenario::new(Vec::new(), calls);
        let warnings = Warnings::default();
        let (one, two, none) = tokio::join!(
            warnings.latest(&cluster, "one"),
            warnings.latest(&cluster, "two"),
            warnings.latest(&cluster, "three"),
        );
        assert_eq!(one.as_deref(), Some("FailedMount: the later one"));
        assert_eq!(two.as_deref(), Some("FailedMount: another"));
        assert_eq!(none, None);
    }
}
