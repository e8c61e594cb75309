//! An image that is there before its build: what the executor of a fake node has "pushed".

use std::{process::Command, thread};

use crate::{engine::variable, stack::run};

/// How many repositories get it at once.
const AT_ONCE: usize = 6;

/// Pushes one small image into each of these repositories, and gives its digest.
pub(super) async fn push(repositories: Vec<String>) -> String {
    let push = tokio::task::spawn_blocking(move || push_now(&repositories));
    push.await.expect("the images are pushed")
}

fn push_now(repositories: &[String]) -> String {
    let (first, others) = repositories.split_first().expect("a repository");
    let first = format!("{first}:bench");
    let directory = tempfile::tempdir().expect("a directory");
    let layer = directory.path().join("layer.tar");
    run(Command::new("tar").arg("-cf").arg(&layer).args(["-C", "/etc", "hostname"]));
    run(crane().arg("append").arg("-f").arg(&layer).args(["-t", &first]));
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let platform = format!("linux/{architecture}");
    run(crane().args(["mutate", "--set-platform", &platform, "-t", &first, &first]));
    let digest = run(crane().args(["digest", &first])).trim().to_owned();
    thread::scope(|scope| {
        for some in others.chunks(others.len().div_ceil(AT_ONCE).max(1)) {
            let first = &first;
            scope.spawn(move || {
                for repository in some {
                    let to = format!("{repository}:bench");
                    run(crane().args(["copy", first, &to]));
                }
            });
        }
    });
    digest
}

fn crane() -> Command {
    let mut crane = Command::new("crane");
    if variable("KILN_REGISTRY").starts_with("localhost") {
        crane.arg("--insecure");
    }
    crane
}
