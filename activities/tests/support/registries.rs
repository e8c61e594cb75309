//! Registries for tests, and images in them.

#![allow(dead_code, unreachable_pub, reason = "not every test binary needs all of it")]

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kilnworks_activities::registry::{Body, Local, Manifest, RegistryClient, Repository};
use kilnworks_workflows::plan::Registry;
use oci_client::manifest::OciDescriptor;
use serde_json::{Value, json};

/// A registry of one test.
pub struct Own {
    pub host: String,
    process: Child,
}

impl Own {
    /// One that lists referrers by itself.
    pub fn with_referrers() -> Self {
        Self::start(|host| {
            let mut command = Command::new("ociregistry");
            command.arg(host);
            command
        })
    }

    /// One that mounts nothing.
    pub fn without_mounts() -> Self {
        Self::start(|host| {
            let mut command = Command::new("crane");
            command.args(["registry", "serve", "--address", host]);
            command
        })
    }

    fn start(command: impl Fn(&str) -> Command) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let mut command = command(&host);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("a registry: run `make up` and source `.local/env`");
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&host).is_err() {
            assert!(Instant::now() < until, "the registry {host} does not answer");
            std::thread::yield_now();
        }
        Self { host, process }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Registries on this machine, reached as a person does.
pub fn client() -> RegistryClient {
    RegistryClient::local(Local::default())
}

/// A repository that no other test uses.
pub async fn repository(host: &str, name: &str) -> Repository {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    open(host, &format!("{name}-{}", &unique[..8])).await
}

pub async fn open(host: &str, path: &str) -> Repository {
    client().open(&format!("{host}/{path}"), &Registry::default()).await.expect("a repository")
}

pub async fn blob(repository: &Repository, media_type: &str, bytes: &[u8]) -> OciDescriptor {
    let body = Body::Bytes(bytes.to_vec());
    repository.put_blob(&body, media_type).await.expect("a blob")
}

/// An image with these layers, the first of which it has twice, as Kaniko's images do.
pub async fn image(repository: &Repository, layers: &[&str]) -> Manifest {
    let config = json!({"os": "linux", "architecture": "amd64", "x": layers}).to_string();
    let config =
        blob(repository, "application/vnd.oci.image.config.v1+json", config.as_bytes()).await;
    let mut described = Vec::new();
    for layer in layers.iter().chain(&layers[..1]) {
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        described.push(blob(repository, media_type, layer.as_bytes()).await);
    }
    // Not as we would write it: what is copied must stay as it is.
    let manifest = serde_json::to_vec_pretty(&json!({
        "layers": described,
        "config": config,
        "unknown": {"to": "us"},
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "schemaVersion": 2,
    }));
    put(repository, manifest.unwrap()).await
}

/// An index of images, each for an architecture.
pub async fn index(repository: &Repository, images: &[(&str, &Manifest)]) -> Manifest {
    let entry = |(architecture, image): &(&str, &Manifest)| {
        let mut entry = serde_json::to_value(image.descriptor()).unwrap();
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    };
    let manifests: Vec<Value> = images.iter().map(entry).collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    put(repository, index.to_string().into_bytes()).await
}

async fn put(repository: &Repository, bytes: Vec<u8>) -> Manifest {
    let manifest = Manifest::of(bytes).expect("a manifest");
    repository.put_manifest(&manifest.digest, &manifest).await.expect("it is put");
    manifest
}
