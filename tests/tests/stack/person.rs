//! A registry as a person at a command line reaches it: by a Docker configuration and an authority
//! in files, without a cluster.

use std::path::{Path, PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use kilnworks_activities::{
    error::failure_of,
    registry::{Body, Local, RegistryClient, Repository},
};
use kilnworks_tests::registry::Registry;
use kilnworks_workflows::{failure::FailureType, plan};
use serde_json::json;

fn files(directory: &Path, registry: &Registry, password: &str) -> Local {
    let write = |name: &str, text: &str| -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let auth = BASE64_STANDARD.encode(format!("builder:{password}"));
    let config = json!({"auths": {&registry.host: {"auth": auth}}}).to_string();
    Local {
        docker_config: Some(write("config.json", &config)),
        ca: Some(write("ca.crt", &registry.ca)),
        insecure: false,
    }
}

async fn open(local: Local, registry: &Registry) -> Repository {
    let client = RegistryClient::local(local);
    let name = format!("{}/team/app", registry.host);
    client.open(&name, &plan::Registry::default()).await.expect("a repository")
}

#[tokio::test]
async fn a_person_reaches_a_registry_behind_tls_and_a_password() {
    let registry = Registry::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let local = files(directory.path(), &registry, &registry.password);
    let own = open(local.clone(), &registry).await;
    let body = Body::Bytes(b"seven".to_vec());
    let blob = own.put_blob(&body, "text/plain").await.expect("a blob");
    assert_eq!(own.read_blob(&blob, 5).await.expect("its bytes"), b"seven");

    let nobody = Local { docker_config: None, ..local.clone() };
    let wrong = files(directory.path(), &registry, "wrong");
    let distrustful = Local { ca: None, ..local };
    for (local, expected) in [
        (nobody, FailureType::RegistryDenied),
        (wrong, FailureType::RegistryDenied),
        (distrustful, FailureType::RegistryUnavailable),
    ] {
        let other = open(local, &registry).await;
        for error in [
            other.has_blob(&blob.digest).await.expect_err("a refusal"),
            other.put_blob(&body, "text/plain").await.expect_err("a refusal"),
            other.tags().await.expect_err("a refusal"),
        ] {
            let failure = failure_of(&error).unwrap_or_else(|| panic!("no type: {error:#}"));
            assert_eq!(failure.kind, expected, "{failure}");
        }
    }
}
