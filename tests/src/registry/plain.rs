//! A registry of one test, on plain http.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::engine::eventually;

/// A registry without a password. It ends, and what is in it goes, with this value.
pub struct Plain {
    /// `localhost:PORT`.
    pub host: String,
    process: Child,
    directory: TempDir,
}

impl Plain {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let settings = json!({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": directory.path().join("images")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        let file = directory.path().join("registry.yaml");
        std::fs::write(&file, settings.to_string()).expect("a file");
        let process = Command::new("registry")
            .arg("serve")
            .arg(file)
            // It would look for a collector of traces on a fixed port.
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let registry = Self { host: format!("localhost:{port}"), process, directory };
        eventually("the registry", Duration::from_secs(20), async || {
            let listed = Command::new("crane").args(["catalog", &registry.host]).output();
            listed.expect("crane runs").status.success().then_some(())
        })
        .await;
        registry
    }

    /// The names of its repositories.
    pub fn repositories(&self) -> Vec<String> {
        let listed = Command::new("crane").args(["catalog", &self.host]).output();
        let listed = listed.expect("crane runs").stdout;
        String::from_utf8(listed).expect("text").lines().map(str::to_owned).collect()
    }

    /// Where it keeps a blob or a manifest.
    pub fn stored(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.directory.path().join("images/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
