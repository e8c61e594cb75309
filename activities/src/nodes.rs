//! The cluster's nodes, as far as a build for a platform asks for them.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use kilnworks_workflows::platform::Platform;
use kube::{Api, api::ListParams};

use crate::cluster::Cluster;

/// The label of a node that says what operating system it runs.
pub const OS: &str = "kubernetes.io/os";
/// The label of a node that says what its processor is.
pub const ARCHITECTURE: &str = "kubernetes.io/arch";

/// Pause between two looks: one may have joined the cluster.
const PAUSE: Duration = Duration::from_secs(5);

/// Whether a cluster has a node for what a build is for. Who may not list nodes is told nothing
/// here; the scheduler says it in words of its own.
#[derive(Debug, Default)]
pub struct Nodes {
    platform: Option<String>,
    asked: Option<Instant>,
    lack: Option<String>,
}

impl Nodes {
    /// For this platform; without one there is nothing to lack.
    pub fn of(platform: Option<&str>) -> Self {
        Self { platform: platform.map(str::to_owned), ..Self::default() }
    }

    /// `no node for linux/arm64`, where that is so. A node may come: it is asked again after a
    /// while.
    pub async fn lack(&mut self, cluster: &Cluster) -> Option<&str> {
        if self.asked.is_none_or(|at| at.elapsed() >= PAUSE)
            && let Some(platform) = &self.platform
        {
            self.asked = Some(Instant::now());
            let none = any(cluster, platform).await == Some(false);
            self.lack = none.then(|| format!("no node for {platform}"));
        }
        self.lack.as_deref()
    }

    /// A reason with what is lacking before it; true where something is.
    pub async fn explain(&mut self, cluster: &Cluster, reason: &str) -> (String, bool) {
        match (self.lack(cluster).await, reason) {
            (None, reason) => (reason.to_owned(), false),
            (Some(lack), "") => (lack.to_owned(), true),
            (Some(lack), reason) => (format!("{lack}: {reason}"), true),
        }
    }
}

/// Whether there is a node for a platform; none where that cannot be said.
async fn any(cluster: &Cluster, platform: &str) -> Option<bool> {
    let Platform { os, architecture, .. } = Platform::of(platform);
    let labels = format!("{OS}={os},{ARCHITECTURE}={architecture}");
    let nodes = Api::<Node>::all(cluster.client.clone());
    let listed = nodes.list_metadata(&ListParams::default().labels(&labels).limit(1)).await;
    listed.ok().map(|listed| !listed.items.is_empty())
}
