//! What a worker tells of itself: whether its cluster is in reach, and what runs there.

use crate::{Activities, cluster::Watching, start};

impl Activities {
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
