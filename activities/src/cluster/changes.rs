//! Notifications of changed Pods.

use std::time::Duration;

use kilnworks_workflows::steps::Launched;
use tokio::sync::watch;

use super::Cluster;
use crate::pod::seen::SeenPod;

/// A waiting step checks its timeouts this often, with or without events.
const TICK: Duration = Duration::from_secs(1);

/// Notifications of changed Pods, at least one per second.
pub struct PodChanges(pub(super) watch::Receiver<u64>);

impl PodChanges {
    /// Waits for the next notification. A change since the last call counts.
    pub async fn next(&mut self) {
        // After a second the caller looks anyway.
        let _ = tokio::time::timeout(TICK, self.change()).await;
    }

    /// Waits until the watch shows another version of the Pod than `seen`. Thousands of builds wait, and
    /// each change of any Pod notifies all of them.
    pub async fn next_of(&mut self, cluster: &Cluster, of: &Launched, seen: Option<&SeenPod>) {
        let address = |pod: &SeenPod| std::ptr::from_ref(pod);
        let changed = async {
            loop {
                self.change().await;
                if cluster.watched(of).as_deref().map(address) != seen.map(address) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(TICK, changed).await;
    }

    async fn change(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
