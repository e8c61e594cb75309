//! A node that is none: kwok says in its place what a kubelet would say. So a Pod for a platform that
//! no machine here has is scheduled, and its end is as a test says.
//!
//! It has a taint that only Pods of its test tolerate, and kwok manages this node alone.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    engine::{eventually, variable},
    stack::{run, unique},
};

/// Key of the node's label and taint.
const KEY: &str = "test.kilnworks.dev/node";

/// The annotation of a Pod that ends it: the digest that its executor leaves.
const DIGEST: &str = "test.kilnworks.dev/digest";

/// What its executor is said to have printed.
pub const LOG: &str = "built on a node that is none";

/// A node of one test. It goes with this value, and its Pods with it.
pub struct FakeNode {
    /// Its name.
    pub name: String,
    kwok: Child,
    directory: TempDir,
}

impl FakeNode {
    /// Starts one of this architecture and waits until it is ready.
    pub async fn start(client: &Client, architecture: &str) -> Self {
        let name = unique("fake");
        let directory = tempfile::tempdir().expect("a directory");
        let kwok = kwok(&name, &directory);
        let node = Self { name, kwok, directory };
        let nodes: Api<Node> = Api::all(client.clone());
        let labels = json!({
            KEY: node.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": architecture,
            "kubernetes.io/hostname": node.name,
        });
        let object = json!({
            "metadata": {"name": node.name, "labels": labels},
            "spec": {"taints": [{"key": KEY, "value": node.name, "effect": "NoSchedule"}]},
        });
        let object = serde_json::from_value(object).expect("a node");
        nodes.create(&PostParams::default(), &object).await.expect("the node");
        eventually("the fake node to be ready", Duration::from_secs(60), async || {
            let conditions = nodes.get(&node.name).await.expect("it").status?.conditions?;
            conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True").then_some(())
        })
        .await;
        node
    }

    /// A Pod template whose Pods may come here.
    pub fn template(&self) -> PathBuf {
        let toleration = json!({"key": KEY, "operator": "Equal", "value": self.name});
        let template = json!({"spec": {"hostNetwork": true, "tolerations": [toleration]}});
        let path = self.directory.path().join("template.yaml");
        std::fs::write(&path, template.to_string()).expect("a file");
        path
    }

    /// Ends a Pod here as an executor that has pushed this digest.
    pub async fn end(&self, client: &Client, pod: &Pod, digest: &str) {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &variable("KILN_NAMESPACE"));
        let patch = json!({"metadata": {"annotations": {DIGEST: digest}}});
        let patch = Patch::Merge(patch);
        pods.patch(&pod.name_any(), &PatchParams::default(), &patch).await.expect("the Pod");
    }

    /// Takes it out of the cluster.
    pub async fn remove(self, client: &Client) {
        let nodes: Api<Node> = Api::all(client.clone());
        nodes.delete(&self.name, &DeleteParams::default()).await.expect("it goes");
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        let delete = ["delete", "node", &self.name, "--wait=false", "--ignore-not-found"];
        let _ = Command::new("kubectl").args(delete).stdout(Stdio::null()).status();
        let _ = self.kwok.kill();
        let _ = self.kwok.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("kwok.log"));
            eprintln!("{}", log.unwrap_or_default());
        }
    }
}

fn kwok(node: &str, directory: &TempDir) -> Child {
    let at = |name: &str| directory.path().join(name);
    run(Command::new("openssl")
        .args("req -x509 -nodes -days 2 -newkey rsa:2048 -subj /CN=kwok".split(' '))
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .args([at("tls.key"), "-out".into(), at("tls.crt")]));
    std::fs::write(at("log"), format!("2026-01-01T00:00:00Z stdout F {LOG}\n")).expect("a file");
    let documents = [initialize(), complete(), delete(), logs(&at("log"))];
    let documents: Vec<_> = documents.iter().map(Value::to_string).collect();
    std::fs::write(at("kwok.yaml"), documents.join("\n---\n")).expect("a file");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let log = std::fs::File::create(at("kwok.log")).expect("a log");
    Command::new("kwok")
        .args(["--kubeconfig", &variable("KUBECONFIG"), "--node-ip", "127.0.0.1"])
        .arg(format!("--manage-nodes-with-label-selector={KEY}={node}"))
        .args(["--node-lease-duration-seconds", "40", "--node-port", &port.to_string()])
        .arg(format!("--server-address=127.0.0.1:{port}"))
        .arg("--config")
        .arg(at("kwok.yaml"))
        .arg("--tls-cert-file")
        .arg(at("tls.crt"))
        .arg("--tls-private-key-file")
        .arg(at("tls.key"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a handle"))
        .stderr(log)
        .spawn()
        .expect("kwok starts: run `make up`")
}

fn stage(name: &str, kind: &str, expressions: Value, next: Value) -> Value {
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": expressions},
            "next": next,
        },
    })
}

/// A node that is not ready becomes so.
fn initialize() -> Value {
    let not_ready = json!({
        "key": ".status.conditions.[] | select( .type == \"Ready\" ) | .status",
        "operator": "NotIn", "values": ["True"],
    });
    let status = r#"
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
addresses:
- {address: {{ NodeIP | Quote }}, type: InternalIP}
- {address: {{ NodeName | Quote }}, type: Hostname}
daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
allocatable: {cpu: "8", memory: 32Gi, pods: "110", ephemeral-storage: 100Gi}
capacity: {cpu: "8", memory: 32Gi, pods: "110", ephemeral-storage: 100Gi}
"#;
    stage("node-initialize", "Node", json!([not_ready]), json!({"statusTemplate": status}))
}

/// A Pod with the annotation has ended well, and its executor has left what that says.
fn complete() -> Value {
    let is_said = json!({
        "key": format!(".metadata.annotations[\"{DIGEST}\"]"), "operator": "Exists",
    });
    let pending =
        json!({"key": ".status.phase", "operator": "In", "values": ["Pending", "Running"]});
    let status = format!(
        r#"
{{{{ $now := Now }}}}
containerStatuses:
{{{{ range .spec.containers }}}}
- image: {{{{ .image | Quote }}}}
  imageID: ""
  name: {{{{ .name | Quote }}}}
  ready: false
  restartCount: 0
  started: false
  state:
    terminated:
      exitCode: 0
      message: {{{{ index $.metadata.annotations "{DIGEST}" | Quote }}}}
      reason: Completed
      startedAt: {{{{ $now | Quote }}}}
      finishedAt: {{{{ $now | Quote }}}}
{{{{ end }}}}
phase: Succeeded
startTime: {{{{ $now | Quote }}}}
"#
    );
    stage("pod-complete", "Pod", json!([is_said, pending]), json!({"statusTemplate": status}))
}

/// A deleted Pod goes.
fn delete() -> Value {
    let deleted = json!({"key": ".metadata.deletionTimestamp", "operator": "Exists"});
    stage("pod-delete", "Pod", json!([deleted]), json!({"delete": true}))
}

fn logs(file: &std::path::Path) -> Value {
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs",
        "metadata": {"name": "executors"},
        "spec": {"logs": [{"logsFile": file, "follow": false}]},
    })
}
