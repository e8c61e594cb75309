//! Whether the cluster has a node for a platform.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use kilnworks_workflows::platform::Platform;
use kube::{Api, api::ListParams};

use crate::{
    cluster::Cluster,
    pod::manifest::{ARCHITECTURE, OS},
};

/// Pause between two questions: a node may join the cluster.
const PAUSE: Duration = Duration::from_secs(5);

/// Whether the cluster has a node for a build's platform. A worker that may not list nodes gives no
/// explanation; the scheduler's own message is shown then.
#[derive(Debug, Default)]
pub struct Nodes {
    platform: Option<String>,
    asked: Option<Instant>,
    lack: Option<String>,
}

impl Nodes {
    /// For this platform. A build without a platform lacks nothing.
    pub fn of(platform: Option<&str>) -> Self {
        Self { platform: platform.map(str::to_owned), ..Self::default() }
    }

    /// The reason, prefixed by `no node for linux/arm64` if there is none; true if something is missing.
    /// The cluster is asked again after a while.
    pub async fn explain(&mut self, cluster: &Cluster, reason: &str) -> (String, bool) {
        if self.asked.is_none_or(|at| at.elapsed() >= PAUSE)
            && let Some(platform) = &self.platform
        {
            self.asked = Some(Instant::now());
            let none = any(cluster, platform).await == Some(false);
            self.lack = none.then(|| format!("no node for {platform}"));
        }
        match (&self.lack, reason) {
            (None, reason) => (reason.to_owned(), false),
            (Some(lack), "") => (lack.clone(), true),
            (Some(lack), reason) => (format!("{lack}: {reason}"), true),
        }
    }
}

/// Whether there is a node for a platform; none if the worker cannot tell.
async fn any(cluster: &Cluster, platform: &str) -> Option<bool> {
    let Platform { os, architecture, .. } = Platform::of(platform);
    let labels = format!("{OS}={os},{ARCHITECTURE}={architecture}");
    let nodes = Api::<Node>::all(cluster.client.clone());
    let listed = nodes.list_metadata(&ListParams::default().labels(&labels).limit(1)).await;
    listed.ok().map(|listed| !listed.items.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures::{Call, Scenario, call, refusal};

    fn list(code: u16, body: Value) -> Call {
        // As `ListParams` encodes it.
        let labels = "kubernetes.io%2Fos%3Dlinux%2Ckubernetes.io%2Farch%3Darm";
        let path = format!("/api/v1/nodes?&labelSelector={labels}&limit=1");
        Call { path, ..call("GET", "", code, body) }
    }

    fn nodes(items: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "PartialObjectMetadataList", "metadata": {}, "items": items})
    }

    async fn explained(calls: Vec<Call>, platform: Option<&str>) -> (String, bool) {
        let (scenario, cluster) = Scenario::new(Vec::new(), calls);
        let mut nodes = Nodes::of(platform);
        let first = nodes.explain(&cluster, "0/1 nodes").await;
        assert_eq!(
            nodes.explain(&cluster, "0/1 nodes").await,
            first,
            "it is not asked twice at once"
        );
        scenario.end();
        first
    }

    #[tokio::test]
    async fn a_lack_is_told_before_the_schedulers_words() {
        let arm = Some("linux/arm/v7");
        let lacks = explained(vec![list(200, nodes(json!([])))], arm).await;
        assert_eq!(lacks, ("no node for linux/arm/v7: 0/1 nodes".to_owned(), true));
        let one = json!([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}]);
        let plain = ("0/1 nodes".to_owned(), false);
        assert_eq!(explained(vec![list(200, nodes(one))], arm).await, plain);
        let refused = refusal(403, "Forbidden", "nodes is forbidden");
        assert_eq!(explained(vec![list(403, refused)], arm).await, plain);
        assert_eq!(explained(Vec::new(), None).await, plain);
    }
}
