//! Fetching from the git server of the local stack by ssh.

use crate::support::{
    cache_of, failure, secret, source,
    stack::{Served, of_stack},
    with_secret,
};
use kilnworks_workflows::failure::FailureType::{SourceDenied, SourceNotFound};

#[tokio::test]
async fn ssh_wants_a_key_and_a_known_host() {
    let served = Served::new("");
    let commit = served.push("a", "1");
    let key = std::fs::read_to_string(of_stack("KILN_GIT_SSH_KEY")).unwrap();
    let known = std::fs::read_to_string(of_stack("KILN_GIT_KNOWN_HOSTS")).unwrap();
    let cache = |key: &str, known_hosts: &str| {
        let data = [("ssh-privatekey", key), ("known_hosts", known_hosts)];
        cache_of(u64::MAX, vec![secret("ssh-auth", "127.0.0.1, localhost", &data)])
    };
    let right = cache(&key, &known);
    for _ in 0..2 {
        let fetched = right.sources.fetch(&with_secret(served.ssh())).await.unwrap();
        assert_eq!(fetched, commit);
    }
    let other_key =
        known.rsplit_once(' ').map(|(host, _)| format!("{host} AAAAC3NzaC1lZDI1NTE5AAAA")).unwrap();
    let stranger = tempfile::TempDir::new().unwrap();
    let path = stranger.path().join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let stranger = std::fs::read_to_string(path).unwrap();
    for (key, known_hosts, expected) in [
        (&key, "", "lists no key"),
        (&key, other_key.as_str(), "is none of those"),
        (&stranger, known.as_str(), "refuses the credentials"),
    ] {
        let cache = cache(key, known_hosts);
        let (kind, message) = failure(cache.sources.fetch(&with_secret(served.ssh())).await);
        assert_eq!(kind, SourceDenied, "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("PRIVATE"), "{message}");
    }
    let (kind, message) = failure(crate::support::cache().sources.fetch(&served.ssh()).await);
    assert_eq!(kind, SourceDenied, "{message}");
    let missing =
        with_secret(source(&format!("{}/nowhere/missing.git", of_stack("KILN_GIT_SSH_URL")), None));
    let (kind, message) = failure(right.sources.fetch(&missing).await);
    assert_eq!(kind, SourceNotFound, "{message}");
}
