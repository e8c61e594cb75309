//! A node that only looks like one: kwok plays its kubelet, so that the cluster takes no time.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use super::{
    kubelet::Kubelet,
    stages::{NODE, STAGES, template},
};
use crate::engine::{eventually, variable};

/// A fake node. Its process ends with this value; the node itself by [`FakeNode::remove`].
pub(super) struct FakeNode {
    name: String,
    nodes: Api<Node>,
    directory: PathBuf,
    process: Child,
    _kubelet: Kubelet,
}

impl FakeNode {
    /// Adds a node of this name to the cluster, and waits until Pods can land on it.
    pub(super) async fn start(cluster: &Client, name: &str, directory: &Path) -> Result<Self> {
        let kubelet = Kubelet::start(directory).await?;
        let stages = directory.join("stages.yaml");
        std::fs::write(&stages, STAGES)?;
        let process = spawn(name, &stages, kubelet.port, directory)?;
        let nodes = Api::<Node>::all(cluster.clone());
        let node = Self {
            name: name.to_owned(),
            nodes,
            directory: directory.to_owned(),
            process,
            _kubelet: kubelet,
        };
        node.nodes.create(&PostParams::default(), &manifest(name)).await?;
        eventually("the fake node to be ready", Duration::from_secs(30), async || {
            let node = node.nodes.get(name).await.ok()?;
            let spec = node.spec?;
            // Until it is known to be ready it has taints beside its own.
            (spec.taints.map_or(0, |taints| taints.len()) == 1).then_some(node.status?.addresses?)
        })
        .await;
        Ok(node)
    }

    /// A Pod template by which builds land on it: with a digest they end at once with that, without
    /// one they never end.
    pub(super) fn template(&self, digest: Option<&str>) -> PathBuf {
        let path = self.directory.join("pod-template.yaml");
        std::fs::write(&path, template(&self.name, digest)).expect("the Pod template");
        path
    }

    /// Takes it out of the cluster.
    pub(super) async fn remove(mut self) -> Result<()> {
        self.nodes.delete(&self.name, &DeleteParams::default()).await?;
        self.process.kill().context("kwok does not end")
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(name: &str, stages: &Path, kubelet: u16, directory: &Path) -> Result<Child> {
    let log = std::fs::File::create(directory.join("kwok.log"))?;
    // Without an address of its own its server would listen on the kubelet's port, everywhere.
    let own = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut kwok = Command::new("kwok");
    kwok.args(["--kubeconfig", &variable("KUBECONFIG"), "--manage-single-node", name]);
    kwok.args(["--node-ip", "127.0.0.1", "--node-port", &kubelet.to_string()]);
    kwok.args(["--server-address", &own.to_string(), "--config"]).arg(stages);
    kwok.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    kwok.spawn().context("`kwok` cannot be started; `make up` brings it")
}

fn manifest(name: &str) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {NODE: name}},
        "spec": {"taints": [{"key": NODE, "value": name, "effect": "NoSchedule"}]}
    }))
    .expect("a node")
}
