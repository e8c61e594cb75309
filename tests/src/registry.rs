//! A registry behind TLS and a password, what lies in a registry, and objects of the cluster that
//! last as long as a test.

pub mod plain;

use std::{
    io::Write,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    engine::{eventually, variable},
    stack::{run, unique},
};

const USER: &str = "builder";

/// Two certificates: an authority's own, and a server's.
const CERTIFICATES: &str = "
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
[server]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
";

/// A registry of one test, behind TLS and basic auth. It ends with this value.
pub struct Registry {
    /// `localhost:PORT`.
    pub host: String,
    /// The authority of its certificate, as PEM.
    pub ca: String,
    /// What opens it.
    pub password: String,
    process: Child,
    directory: TempDir,
}

impl Registry {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_str().expect("a path");
        std::fs::write(directory.path().join("openssl.cnf"), CERTIFICATES).expect("a file");
        let certify = |name: &str, section: &str, signer: &[&str]| {
            run(Command::new("openssl")
                .args("req -x509 -config openssl.cnf -nodes -days 2 -newkey rsa:2048".split(' '))
                .args(["-subj", &format!("/CN=Test {name}"), "-extensions", section])
                .args(["-keyout", &format!("{name}.key")])
                .args(["-out", &format!("{name}.crt")])
                .args(signer)
                .current_dir(path));
        };
        certify("ca", "authority", &[]);
        certify("tls", "server", &["-CA", "ca.crt", "-CAkey", "ca.key"]);
        let password = uuid::Uuid::new_v4().simple().to_string();
        // The registry takes bcrypt alone, and Perl is what every Debian has that makes it.
        let hash = run(Command::new("perl").args([
            "-e",
            "print crypt($ARGV[0], q($2y$05$kilnkilnkilnkilnkilnku))",
            &password,
        ]));
        let users = directory.path().join("htpasswd");
        std::fs::write(users, format!("{USER}:{hash}\n")).expect("a file");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let settings = json!({
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": format!("{path}/images")}},
            "http": {
                "addr": format!("127.0.0.1:{port}"),
                "tls": {"certificate": format!("{path}/tls.crt"), "key": format!("{path}/tls.key")},
            },
            "auth": {"htpasswd": {"realm": "test", "path": format!("{path}/htpasswd")}},
        });
        std::fs::write(directory.path().join("registry.yaml"), settings.to_string())
            .expect("a file");
        let process = Command::new("registry")
            .args(["serve", &format!("{path}/registry.yaml")])
            // It would look for a collector of traces on a fixed port.
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let ca = std::fs::read_to_string(directory.path().join("ca.crt")).expect("a certificate");
        let registry = Self { host: format!("localhost:{port}"), ca, password, process, directory };
        let login = registry.config(&registry.password).to_string();
        std::fs::write(registry.directory.path().join("config.json"), login).expect("a file");
        eventually("the registry", Duration::from_secs(20), async || {
            let listed = registry.crane(&["catalog", &registry.host]).output();
            listed.expect("crane runs").status.success().then_some(())
        })
        .await;
        registry
    }

    /// `crane`, logged in here and trusting this authority.
    pub fn crane(&self, arguments: &[&str]) -> Command {
        let mut crane = Command::new("crane");
        crane
            .args(arguments)
            .env("SSL_CERT_FILE", self.directory.path().join("ca.crt"))
            .env("DOCKER_CONFIG", self.directory.path());
        crane
    }

    /// A Secret for this registry, with a password, for the hosts of its annotation.
    pub fn secret(&self, password: &str, hosts: Option<&str>) -> Object {
        let mut secret = json!({
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": self.config(password).to_string()},
        });
        if let Some(hosts) = hosts {
            secret["metadata"] = json!({"annotations": {"kiln.io/hosts": hosts}});
        }
        Object::new(secret)
    }

    fn config(&self, password: &str) -> Value {
        json!({"auths": {&self.host: {"username": USER, "password": password}}})
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An object of the build namespace, under a name of its own. It is deleted with this value.
pub struct Object {
    pub name: String,
    kind: String,
}

impl Object {
    /// Creates one.
    pub fn new(mut object: Value) -> Self {
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        let name = unique("test");
        object["apiVersion"] = json!("v1");
        object["metadata"]["name"] = json!(name);
        let mut create = kubectl(&["create", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kubectl runs");
        let mut stdin = create.stdin.take().expect("its input");
        write!(stdin, "{object}").expect("it reads");
        drop(stdin);
        assert!(create.wait().expect("it ends").success(), "{kind} {name}");
        Self { name, kind }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let delete = ["delete", &self.kind, &self.name, "--wait=false"];
        let _ = kubectl(&delete).stdout(Stdio::null()).status();
    }
}

/// `kubectl` in the build namespace.
pub fn kubectl(arguments: &[&str]) -> Command {
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["--namespace", &variable("KILN_NAMESPACE")]).args(arguments);
    kubectl
}

/// A file of an image.
pub fn file(reference: &str, path: &str) -> String {
    let script = r#"crane export "$0" - --insecure | tar -xO "$1""#;
    run(Command::new("bash").args(["-o", "pipefail", "-c", script, reference, path]))
}

/// The digests of an image's layers.
pub fn layers(reference: &str) -> Vec<String> {
    let manifest = crane(&["manifest", reference]);
    let layers = manifest["layers"].as_array().expect("layers");
    let digest = |layer: &Value| layer["digest"].as_str().expect("a digest").to_owned();
    layers.iter().map(digest).collect()
}

/// How many lines of a layer's archive hold a text.
pub fn lines_with(reference: &str, layer: &str, text: &str) -> usize {
    let repository = reference.split('@').next().expect("a repository");
    let script = r#"crane blob "$0" --insecure | gzip -dc | (grep -acF -- "$1" || true)"#;
    let blob = format!("{repository}@{layer}");
    let count = run(Command::new("bash").args(["-o", "pipefail", "-c", script, &blob, text]));
    count.trim().parse().expect("a number")
}

/// The config of an image.
pub fn config(reference: &str) -> Value {
    crane(&["config", reference])
}

fn crane(arguments: &[&str]) -> Value {
    let text = run(Command::new("crane").args(arguments).arg("--insecure"));
    serde_json::from_str(&text).expect("JSON")
}
