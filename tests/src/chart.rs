//! The chart: how it is rendered, and how a release of it is installed and goes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, api::PostParams};
use serde_json::Value;

use crate::{
    engine::variable,
    stack::{cluster, run, unique},
};

/// The directory of a part of the repository.
pub fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// `helm`, which reads and writes nothing of this user's.
fn helm(arguments: &[&str]) -> Command {
    let mut helm = Command::new("helm");
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(name, std::env::temp_dir().join("kilnworks-helm"));
    }
    helm.args(arguments);
    helm
}

/// What `helm VERB … CHART … MORE` says and how it ends. A version of Kubernetes is given, as it does
/// not ask the cluster for it.
pub fn local(verb: &[&str], more: &[&str]) -> Output {
    variable("KUBECONFIG");
    let chart = place("deploy/chart");
    let mut helm = helm(verb);
    helm.arg(chart).args(["--kube-version", "1.36"]).args(more);
    helm.output().expect("helm is on PATH: run `make up` and source `.local/env`")
}

/// The chart with values from its directory `ci`, or with its own.
pub fn rendered(values: Option<&str>, namespace: &str, more: &[&str]) -> String {
    let file = values.map(|name| place(&format!("deploy/chart/ci/{name}.yaml")));
    let mut arguments = vec!["--namespace", namespace];
    if let Some(file) = &file {
        arguments.extend(["--values", file.to_str().expect("a path")]);
    }
    arguments.extend(more);
    let Output { status, stdout, stderr } = local(&["template", "kiln"], &arguments);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

/// The objects of a rendered chart.
pub fn objects(rendered: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(rendered).expect("YAML");
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// `kubectl`, with something to read.
pub fn kubectl(arguments: &[&str]) -> String {
    run(Command::new("kubectl").args(arguments))
}

/// A namespace of a test, deleted with it.
pub struct Namespace(pub String);

impl Namespace {
    /// A new one that enforces a level of the Pod Security Standards, and warns by it.
    pub fn enforcing(name: &str, level: &str) -> Self {
        let namespace = Self(unique(name));
        kubectl(&["create", "namespace", &namespace.0]);
        let labels =
            ["enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}={level}"));
        kubectl(&["label", "namespace", &namespace.0, &labels[0], &labels[1]]);
        namespace
    }

    /// Puts a Secret into it.
    pub async fn secret(&self, name: &str, values: &[(&str, String)]) {
        let data = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.clone().into_bytes())));
        let secret = Secret {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            data: Some(data.collect()),
            ..Secret::default()
        };
        let api = Api::<Secret>::namespaced(cluster().await, &self.0);
        api.create(&PostParams::default(), &secret).await.expect("a Secret");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let namespace = ["delete", "namespace", &self.0, "--wait=false"];
        let _ = Command::new("kubectl").args(namespace).output();
    }
}

/// A release of the chart on the stack, gone with this value.
pub struct Release {
    /// Its name, which is its installation's and its task queue's, too.
    pub name: String,
    namespace: Namespace,
    values: tempfile::NamedTempFile,
}

impl Release {
    /// Installs the chart with the values of the single-machine stack and waits for its Pod.
    pub async fn install(image: &str) -> Self {
        let (repository, digest) = image.split_once('@').expect("an image with its digest");
        let namespace = Namespace::enforcing("chart", "privileged");
        let credentials = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        namespace.secret("kiln-settings", &credentials.map(|name| (name, variable(name)))).await;
        let name = unique("release");
        let release = Self { name, namespace, values: values() };
        let image = format!("image.repository={repository},image.digest={digest}");
        let own = format!("install={0},taskQueue={0},{image}", release.name);
        release
            .helm("install", &["--values", release.values.path().to_str().unwrap(), "--set", &own]);
        release
    }

    /// Rolls it out anew with a changed value.
    pub fn upgrade(&self, change: &str) {
        self.helm("upgrade", &["--reuse-values", "--set", change]);
    }

    fn helm(&self, verb: &str, more: &[&str]) -> String {
        let chart = place("deploy/chart");
        let wait = ["--wait", "--timeout", "4m", "--namespace", &self.namespace.0];
        let mut helm = helm(&[verb, &self.name]);
        run(helm.arg(chart).args(wait).args(more))
    }

    /// The names of its objects in the namespace of the builds.
    pub fn left_in_builds(&self) -> String {
        let of = format!("app.kubernetes.io/instance={}", self.name);
        let namespace = variable("KILN_NAMESPACE");
        let kinds = "roles,rolebindings,networkpolicies,resourcequotas";
        kubectl(&["get", kinds, "--namespace", &namespace, "--selector", &of, "--output", "name"])
    }

    /// `kubectl` in its namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", &self.namespace.0], arguments].concat())
    }

    /// What its Pods say.
    pub fn log(&self) -> String {
        let of = format!("app.kubernetes.io/instance={}", self.name);
        self.kubectl(&["logs", "--selector", &of, "--tail", "-1"])
    }

    /// Removes it, and waits until its Pods are gone.
    pub fn uninstall(&self) {
        let wait = ["--wait", "--timeout", "2m", "--namespace", &self.namespace.0];
        run(helm(&["uninstall", &self.name]).args(wait));
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for what in [&["get", "events"][..], &["describe", "pods"]] {
                let namespace = ["--namespace", &self.namespace.0];
                let said = Command::new("kubectl").args(namespace).args(what).output();
                eprintln!(
                    "{}",
                    String::from_utf8_lossy(&said.map(|it| it.stdout).unwrap_or_default())
                );
            }
            let of = format!("app.kubernetes.io/instance={}", self.name);
            let log = ["logs", "--namespace", &self.namespace.0, "--selector", &of];
            let said = Command::new("kubectl").args(log).output();
            eprintln!("{}", String::from_utf8_lossy(&said.map(|it| it.stdout).unwrap_or_default()));
        }
        let gone = ["--ignore-not-found", "--namespace", &self.namespace.0];
        let _ = helm(&["uninstall", &self.name]).args(gone).output();
        let schedule = format!("kiln-sweep-{}", self.name);
        let delete = ["schedule", "delete", "--schedule-id", &schedule];
        let _ = Command::new("temporal").args(delete).output();
    }
}

/// The values of the single-machine stack, with its addresses filled in.
fn values() -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(place("deploy/local/values.yaml")).expect("the values");
    let server = "jsonpath={.clusters[0].cluster.server}";
    let server = kubectl(&["config", "view", "--minify", "--output", server]);
    let (_, port) = server.rsplit_once(':').expect("an address with a port");
    // Free now; nobody else is likely to take it before the worker does.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let free = listener.local_addr().expect("its address").port().to_string();
    let mut filled = text.replace("${APISERVER_PORT}", port).replace("${LISTEN_PORT}", &free);
    for name in [
        "TEMPORAL_ADDRESS",
        "TEMPORAL_NAMESPACE",
        "KILN_NAMESPACE",
        "KILN_EXECUTOR_IMAGE",
        "KILN_S3_BUCKET",
        "KILN_S3_ENDPOINT",
        "KILN_S3_SECRET",
        "AWS_REGION",
    ] {
        filled = filled.replace(&format!("${{{name}}}"), &variable(name));
    }
    assert!(!filled.contains("${"), "{filled}");
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    std::fs::write(file.path(), filled).expect("the values");
    file
}
