//! Pods that are deleted, cannot start, or use too much; caches that are full or broken.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, EvictParams},
};
use serde_json::json;

use super::{Case, Recipe, Scene, is_external, scene::until};
use crate::{
    engine::variable,
    registry::kubectl,
    stack::{run, unique},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("pod-deleted", |scene| pod_taken(scene, "pod", false)).sharp(),
        Case::new("pod-of-job-deleted", |scene| pod_taken(scene, "job", false)),
        Case::new("pod-evicted", |scene| pod_taken(scene, "pod", true)),
        Case::new("out-of-memory", out_of_memory),
        Case::new("executor-image-missing", executor_missing),
        Case::new("unschedulable", unschedulable),
        Case::new("quota-full", quota_full),
        Case::new("secret-missing", secret_missing),
        Case::new("building-timeout", |scene| timeout(scene, "building")),
        Case::new("whole-timeout", |scene| timeout(scene, "whole")),
        Case::new("cache-full", cache_full),
        Case::new("cache-corrupted", cache_corrupted).sharp(),
    ];
    // To mount a disk takes root.
    if !is_external() {
        cases.push(Case::new("disk-full", disk_full));
    }
    cases
}

/// Someone deletes or evicts the running Pod, and the build launches a new one.
async fn pod_taken(scene: Scene, launcher: &'static str, evicts: bool) {
    scene.worker(&[("KILN_LAUNCHER", launcher)]).await;
    let build = scene.build(&[Recipe::Sleep(6)]).await;
    let pod = scene.running(&build).await;
    scene.moment(0.0..4.0).await;
    let namespace = pod.namespace().expect("a namespace");
    let pods = Api::<Pod>::namespaced(scene.stage.cluster.clone(), &namespace);
    if evicts {
        pods.evict(&pod.name_any(), &EvictParams::default()).await.expect("it is evicted");
    } else {
        pods.delete(&pod.name_any(), &DeleteParams::default()).await.expect("it is deleted");
    }
    scene.succeeds(&build).await;
}

/// The kernel kills every attempt for its memory.
async fn out_of_memory(scene: Scene) {
    scene.worker(&[]).await;
    let recipes = [Recipe::Greedy];
    let mut document = scene.document(&recipes);
    document["defaults"]["resources"]["memory"] = json!("128Mi");
    let build = scene.start(document, &recipes).await;
    scene.fails(&build, "OutOfMemory", "memory").await;
    let attempts = scene.stage.pods_of(&build.app);
    if attempts != 3 {
        scene.lost(format!("three attempts with more memory each, not {attempts}"));
    }
}

async fn executor_missing(scene: Scene) {
    let image = format!("{}/kaniko/executor:none", variable("KILN_REGISTRY"));
    scene.worker(&[("KILN_EXECUTOR_IMAGE", &image)]).await;
    let recipes = [Recipe::Scratch];
    let mut document = scene.document(&recipes);
    document["defaults"]["timeouts"] = json!({"pulling": "6s"});
    let build = scene.start(document, &recipes).await;
    scene.fails(&build, "ImagePullFailed", "executor:none").await;
}

async fn unschedulable(scene: Scene) {
    scene.worker(&[]).await;
    let recipes = [Recipe::Scratch];
    let mut document = scene.document(&recipes);
    document["defaults"]["resources"]["cpu"] = json!("1000");
    document["defaults"]["timeouts"] = json!({"scheduling": "6s"});
    let build = scene.start(document, &recipes).await;
    scene.fails(&build, "Unschedulable", "Insufficient cpu").await;
}

/// The quota has no room until someone lifts it.
async fn quota_full(scene: Scene) {
    let namespace = unique("chaos");
    let namespace = Namespace::with_quota(&namespace);
    scene.worker(&[("KILN_NAMESPACE", &namespace.0)]).await;
    let build = scene.build(&[Recipe::Scratch]).await;
    scene.says_it_waits(&build, "exceeded quota").await;
    namespace.lift();
    scene.succeeds(&build).await;
    // The namespace is still there: a Pod that is left would be deleted with it.
    until(|| async { scene.pods(&build).await.is_empty() }).await;
}

/// A namespace of one case, with the store's Secret and a quota that admits no Pod.
struct Namespace(String);

impl Namespace {
    fn with_quota(name: &str) -> Self {
        let secret = run(kubectl(&["get", "secret", &variable("KILN_S3_SECRET"), "-o", "json"])
            .stderr(Stdio::inherit()));
        let mut secret: serde_json::Value = serde_json::from_str(&secret).expect("JSON");
        secret["metadata"] = json!({"name": secret["metadata"]["name"], "namespace": name});
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
            secret,
            {"apiVersion": "v1", "kind": "ResourceQuota",
                "metadata": {"name": "full", "namespace": name}, "spec": {"hard": {"pods": "0"}}},
        ]});
        let mut apply = std::process::Command::new("kubectl")
            .args(["apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kubectl runs");
        let mut stdin = apply.stdin.take().expect("its input");
        write!(stdin, "{objects}").expect("it reads");
        drop(stdin);
        assert!(apply.wait().expect("it ends").success(), "the namespace {name}");
        Self(name.to_owned())
    }

    fn lift(&self) {
        let lift = ["--namespace", &self.0, "delete", "resourcequota", "full"];
        run(std::process::Command::new("kubectl").args(lift));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let delete = ["delete", "namespace", &self.0, "--wait=false"];
        let mut kubectl = std::process::Command::new("kubectl");
        let _ = kubectl.args(delete).stdout(Stdio::null()).status();
    }
}

/// A build secret is missing: the build ends and names it.
async fn secret_missing(scene: Scene) {
    scene.worker(&[]).await;
    let recipes = [Recipe::Sleep(0)];
    let mut document = scene.document(&recipes);
    document["components"][0]["containers"][0]["secrets"] =
        json!([{"name": "token", "secret": "not-there", "key": "token"}]);
    let build = scene.start(document, &recipes).await;
    scene.fails(&build, "InvalidSpec", "not-there").await;
}

/// A timeout ends a build that would never end.
async fn timeout(scene: Scene, timeout: &'static str) {
    scene.worker(&[]).await;
    let recipes = [Recipe::Sleep(600)];
    let mut document = scene.document(&recipes);
    document["defaults"]["timeouts"] = json!({timeout: "8s"});
    let build = scene.start(document, &recipes).await;
    scene.fails(&build, "DeadlineExceeded", timeout).await;
}

/// No mirror fits into the cache: the worker deletes each one as soon as it needs another.
async fn cache_full(scene: Scene) {
    scene.worker(&[("KILN_CACHE_SIZE", "1MiB")]).await;
    let recipes = [Recipe::Random(2_000_000), Recipe::Scratch];
    let mut builds = Vec::new();
    for _ in 0..3 {
        builds.push(scene.build(&recipes).await);
    }
    for build in &builds {
        scene.succeeds(build).await;
    }
}

/// The disk of the cache is too small for a source, until someone enlarges it.
async fn disk_full(scene: Scene) {
    let disk = Disk::of(scene.directory.path(), "2m");
    let path = disk.0.to_str().expect("a path");
    let worker = scene.worker(&[("KILN_CACHE_DIR", path)]).await;
    let build = scene.build(&[Recipe::Random(8_000_000)]).await;
    worker.says("SourceUnavailable").await;
    scene.moment(0.0..4.0).await;
    disk.mount("remount,size=200m");
    scene.succeeds(&build).await;
}

/// A small disk in memory, unmounted with this value.
struct Disk(PathBuf);

impl Disk {
    fn of(directory: &Path, size: &str) -> Self {
        let disk = Self(directory.join("disk"));
        std::fs::create_dir(&disk.0).expect("a directory");
        disk.mount(&format!("size={size}"));
        disk
    }

    fn mount(&self, options: &str) {
        let mut mount = std::process::Command::new("mount");
        run(mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Its worker may still have it open.
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Every file of the mirrors is cut to half between two builds of the same source.
async fn cache_corrupted(scene: Scene) {
    let worker = scene.worker(&[]).await;
    let recipes = [Recipe::Random(100_000)];
    let mut document = scene.document(&recipes);
    let build = scene.start(document.clone(), &recipes).await;
    scene.succeeds(&build).await;
    assert!(halve(&worker.1) > 0, "there is something to break in {}", worker.1.display());
    document["app"] = json!(format!("{}-again", scene.name));
    // Another context: the worker does not read one from the mirror that the store has already.
    document["components"][0]["containers"][0]["contextDir"] = json!(".");
    document["components"][0]["containers"][0]["dockerfile"] = json!("c0/Dockerfile");
    let build = scene.start(document, &recipes).await;
    scene.succeeds(&build).await;
}

/// Cuts the packs and objects below a directory to half, and returns how many there were.
fn halve(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let cut = entries.map(|entry| entry.path()).map(|path| {
        if path.is_dir() {
            return halve(&path);
        }
        let in_objects = path.components().any(|part| part.as_os_str() == "objects");
        let size = path.metadata().map_or(0, |found| found.len());
        if !in_objects || size < 2 {
            return 0;
        }
        // Git makes them read-only.
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a file");
        file.set_len(size / 2).expect("it is cut");
        1
    });
    cut.sum()
}
