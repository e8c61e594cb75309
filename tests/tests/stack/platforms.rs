//! Images of several platforms, on the real stack: its one node, and one of another kind that kwok
//! stands for.

use std::process::Command;

use k8s_openapi::api::core::v1::Pod;
use kilnworks_tests::{
    engine::{client, end, eventually, variable},
    fake_node::{FakeNode, LOG},
    registry::{config, layers},
    stack::{PATIENCE, Worker, cluster, pods, publish, run, spec, start, unique},
};
use kilnworks_workflows::{
    BuildApp,
    output::{BuildOutput, ContainerImage},
    progress::{ContainerProgress, State},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};
use temporalio_client::WorkflowQueryOptions;

fn begin(worker: &Worker, document: &Value) -> String {
    let id = unique("platforms");
    start("BuildApp", &worker.queue, &id, document);
    id
}

async fn output(id: &str) -> BuildOutput {
    let handle = client().await.get_workflow_handle::<BuildApp>(id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    ended.expect("the build ends in its time").output()
}

async fn build(worker: &Worker, document: &Value) -> BuildOutput {
    output(&begin(worker, document)).await
}

/// Waits until the row of the only container is so.
async fn row(
    id: &str,
    what: &str,
    holds: impl Fn(&ContainerProgress) -> bool,
) -> ContainerProgress {
    let handle = client().await.get_workflow_handle::<BuildApp>(id);
    eventually(what, PATIENCE, async || {
        let options = WorkflowQueryOptions::default();
        let progress = handle.query(BuildApp::progress, (), options).await.ok()?;
        progress.containers.into_iter().next().filter(&holds)
    })
    .await
}

/// A container that copies a file on a base.
fn files(base: &str) -> Vec<(String, String)> {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    vec![file("Dockerfile", &format!("FROM {base}\nCOPY file /file\n")), file("file", "1\n")]
}

fn published(base: &str) -> String {
    let files = files(base);
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    publish(&unique("platforms"), &files)
}

fn on(url: &str, platforms: &[&str]) -> Value {
    let mut document = spec(&unique("platforms"), url, json!([{"name": "server"}]));
    document["defaults"]["platforms"] = json!(platforms);
    document
}

fn crane(arguments: &[&str]) -> Value {
    let text = run(Command::new("crane").arg(arguments[0]).arg("--insecure").args(&arguments[1..]));
    serde_json::from_str(&text).expect("JSON")
}

/// An index of two small images that differ.
fn base() -> String {
    let script = r#"
        cd "$(mktemp -d)"
        for it in amd64 arm64; do
            mkdir $it && echo $it > $it/architecture && tar -C $it -cf $it.tar .
            crane append --insecure -f $it.tar -t "$0-$it"
            crane mutate --insecure --set-platform linux/$it -t "$0-$it" "$0-$it"
        done
        crane index append --insecure -t "$0" -m "$0-amd64" -m "$0-arm64"
        rm -r "$PWD"
    "#;
    let reference = format!("{}/{}:1", variable("KILN_REGISTRY"), unique("base"));
    run(Command::new("bash").args(["-euo", "pipefail", "-c", script, &reference]));
    reference
}

/// Runs what a Pod would run on the node that is there, as it has no other platform's: a build that
/// only copies files needs none. Gives the digest that it pushed.
async fn elsewhere(client: &Client, pod: &Pod) -> String {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &variable("KILN_NAMESPACE"));
    let name = unique("elsewhere");
    let mut copy = pod.clone();
    copy.metadata = kube::api::ObjectMeta {
        name: Some(name.clone()),
        annotations: pod.metadata.annotations.clone(),
        ..Default::default()
    };
    copy.status = None;
    if let Some(spec) = copy.spec.as_mut() {
        (spec.node_selector, spec.node_name, spec.tolerations) = (None, None, None);
    }
    pods.create(&PostParams::default(), &copy).await.expect("a Pod");
    let ended = eventually("the other platform's build", PATIENCE, async || {
        let statuses = pods.get(&name).await.expect("the Pod").status?.container_statuses?;
        statuses.into_iter().next()?.state?.terminated
    })
    .await;
    assert_eq!(ended.exit_code, 0, "{ended:?}");
    let _ = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
    ended.message.expect("a digest").trim().to_owned()
}

async fn no_pods(client: &Client, document: &Value) {
    let app = document["app"].as_str().expect("a name");
    eventually("the Pods to go", PATIENCE, async || {
        pods(client, app).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_is_a_plain_image_on_a_node_of_its_kind() {
    let worker = Worker::start(&unique("platforms"), &[]).await;
    let (url, own) = (published(&variable("KILN_BASE_IMAGE")), "linux/amd64");
    let document = on(&url, &[own]);
    let image = build(&worker, &document).await.images.remove(0);
    assert_eq!((image.platform.as_str(), image.attempts), (own, 1));
    assert!(image.platforms.is_empty());
    assert_eq!(config(&image.reference)["architecture"], "amd64");

    let file = tempfile::NamedTempFile::with_suffix(".json").expect("a file");
    std::fs::write(file.path(), document.to_string()).expect("the spec");
    let file = file.path().to_str().expect("a path");
    let shown = run(&mut worker.kiln(&["plan", file, "--show", "pods", "-o", "json"]));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let nodes = json!({"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"});
    assert_eq!(shown["items"][0]["spec"]["nodeSelector"], nodes);

    let mut without = document.clone();
    without["defaults"].as_object_mut().expect("defaults").remove("platforms");
    let again = build(&worker, &without).await.images.remove(0);
    assert!(again.reused, "what is built for the node's own platform is the same");
    assert_eq!(again.digest, image.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_without_a_node_is_told_at_once() {
    let worker = Worker::start(&unique("platforms"), &[]).await;
    let mut document = on(&published("scratch"), &["linux/amd64", "linux/s390x"]);
    document["defaults"]["timeouts"] = json!({"scheduling": "45s"});
    let id = begin(&worker, &document);
    let lack = "no node for linux/s390x";
    let row = row(&id, "the words", |row| {
        row.reason.as_deref().is_some_and(|reason| reason.starts_with(lack))
    })
    .await;
    assert_eq!(row.state, State::Scheduling);
    let shown = run(&mut worker.kiln(&["status", &id]));
    assert!(shown.contains(lack), "{shown}");

    let handle = client().await.get_workflow_handle::<BuildApp>(&id);
    let (kind, details) = end(&handle).await.failure();
    assert_eq!(kind, "Unschedulable");
    let failure = &details.failures[0];
    assert_eq!(failure.platform.as_deref(), Some("linux/s390x"));
    let said = "linux/s390x: no node took the Pod within 45s (scheduling): no node for linux/s390x";
    assert!(failure.message.starts_with(said), "{}", failure.message);
    no_pods(&cluster().await, &document).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_for_another_platform_is_found_before_anything_is_built() {
    let worker = Worker::start(&unique("platforms"), &[]).await;
    let base = base();
    let digest =
        run(Command::new("crane").args(["digest", "--insecure", &format!("{base}-arm64")]));
    for (base, has) in [
        (base.clone(), "linux/amd64, linux/arm64"),
        (format!("{base}-arm64@{}", digest.trim()), "linux/arm64"),
    ] {
        let id = begin(&worker, &on(&published(&base), &["linux/ppc64le"]));
        let handle = client().await.get_workflow_handle::<BuildApp>(&id);
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "BaseImageNotFound");
        let message = &details.failures[0].message;
        assert!(
            message.contains(&format!("is not for linux/ppc64le; it is for {has}")),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_platforms_become_one_index() {
    let client = cluster().await;
    let node = FakeNode::start(&client, "arm64").await;
    let template = node.template();
    let template = [("KILN_POD_TEMPLATE", template.to_str().expect("a path"))];
    let worker = Worker::start(&unique("platforms"), &template).await;
    let base = base();
    let mut document = on(&published(&base), &["linux/amd64", "linux/arm64"]);
    document["components"][0]["files"] =
        json!([{"name": "deploy.yaml", "content": "image: {{ images.server.reference }}\n"}]);
    let app = document["app"].as_str().expect("a name");

    let id = begin(&worker, &document);
    let pod = eventually("the Pod for the other platform", PATIENCE, async || {
        let on_it = |pod: &Pod| {
            let placed = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            placed == Some(node.name.as_str())
        };
        pods(&client, app).await.into_iter().find(on_it)
    })
    .await;
    assert_eq!(pod.labels()["kiln.io/platform"], "linux-arm64");
    let digest = elsewhere(&client, &pod).await;
    node.end(&client, &pod, &digest).await;
    let built = output(&id).await;
    let image = &built.images[0];
    assert_eq!((image.platform.as_str(), image.attempts), ("linux/amd64,linux/arm64", 2));
    assert_eq!(image.platforms[1].digest, digest);
    is_an_index_of_both(image, &base);
    is_delivered(&worker, &built);
    each_has_its_log(&worker, &id);
    no_pods(&client, &document).await;

    let again = build(&worker, &document).await;
    assert!(again.images[0].reused);
    assert_eq!(again.images[0].reference, image.reference, "the same images, the same index");
    assert_eq!(again.images[0].platforms, image.platforms);

    // Of another set of platforms only what is new is built.
    document["defaults"]["platforms"] = json!(["linux/amd64"]);
    let one = build(&worker, &document).await.images.remove(0);
    assert!(one.reused);
    assert_eq!(one.digest, image.platforms[0].digest);
    node.remove(&client).await;
}

/// Both logs in order, each line with its platform; and each by itself.
fn each_has_its_log(worker: &Worker, id: &str) {
    let logs = |more: &[&str]| run(worker.kiln(&["logs", id, "--attempt", "1"]).args(more));
    let both = logs(&[]);
    let of = |platform: &str| both.find(&format!("web/server {platform} | "));
    assert!(of("linux/amd64").expect("lines") < of("linux/arm64").expect("lines"), "{both}");
    assert!(both.contains(&format!("web/server linux/arm64 | {LOG}")), "{both}");
    assert_eq!(logs(&["server", "--platform", "linux/arm64"]).trim(), LOG);
    assert!(!logs(&["--platform", "linux/amd64"]).contains(LOG));

    let mut wrong = worker.kiln(&["logs", id, "web/server", "--platform", "linux/s390x"]);
    let refused = wrong.output().expect("kiln runs");
    assert_eq!(refused.status.code(), Some(2));
    let said = "error: `web/server` is not for `linux/s390x`\n\
                hint: platforms: `linux/amd64`, `linux/arm64`\n";
    assert_eq!(String::from_utf8_lossy(&refused.stderr), said);
}

fn is_an_index_of_both(image: &ContainerImage, base: &str) {
    let repository = image.reference.split('@').next().expect("a repository");
    for reference in [image.reference.clone(), format!("{repository}:{}", image.tags[0])] {
        let index = crane(&["manifest", &reference]);
        assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
        let entries = index["manifests"].as_array().expect("entries");
        assert_eq!(entries.len(), 2);
        for (entry, own) in entries.iter().zip(&image.platforms) {
            let (architecture, digest) = (&entry["platform"]["architecture"], &entry["digest"]);
            assert_eq!(json!(format!("linux/{}", architecture.as_str().unwrap())), own.platform);
            assert_eq!(*digest, json!(own.digest));
        }
    }
    for architecture in ["amd64", "arm64"] {
        let platform = format!("linux/{architecture}");
        let own = crane(&["config", "--platform", &platform, &image.reference]);
        assert_eq!(own["architecture"], architecture);
        let one = image.platforms.iter().find(|it| it.platform == platform).expect("it");
        let below = layers(&format!("{base}-{architecture}"));
        let layers = layers(&format!("{repository}@{}", one.digest));
        assert_eq!(layers[..below.len()], below, "it stands on the base for its platform");
    }
}

/// The package holds both images by themselves, and names their index.
fn is_delivered(worker: &Worker, output: &BuildOutput) {
    let image = &output.images[0];
    let package = &output.package.as_ref().expect("a package").reference;
    let index = crane(&["manifest", package]);
    let entries = index["manifests"].as_array().expect("entries").iter();
    let own = entries.filter(|it| it["annotations"]["kiln.io/container"] == "server");
    let digests: Vec<_> = own.map(|it| it["digest"].clone()).collect();
    let both: Vec<_> = image.platforms.iter().map(|it| json!(it.digest)).collect();
    assert_eq!(digests, both, "a flat index");
    let kiln = |verb: &str, more: &[&str]| {
        let arguments = ["package", verb, "--insecure", package];
        run(worker.kiln(&arguments).args(more))
    };
    kiln("verify", &["--deep"]);
    let inspected = kiln("inspect", &[]);
    for part in ["linux/amd64,linux/arm64", "linux/arm64 ", &image.digest[..19]] {
        assert!(inspected.contains(part), "{inspected} lacks {part}");
    }
    let repository = package.rsplit_once(':').expect("a tag").0;
    assert_eq!(
        kiln("render", &[]).lines().last(),
        Some(format!("image: {repository}@{}", image.digest).as_str())
    );
    let pulled = crane(&["manifest", &format!("{repository}@{}", image.digest)]);
    assert_eq!(pulled["manifests"].as_array().expect("entries").len(), 2, "it is pulled there");
    let arm = kiln("render", &["--platform", "linux/arm64"]);
    assert!(arm.contains(&image.platforms[1].digest), "{arm}");
    is_carried(worker, package, &image.digest);
}

/// A copy by another tool has both images; by `export` and `import` their index comes along.
fn is_carried(worker: &Worker, package: &str, digest: &str) {
    let place = format!("{}/{}", variable("KILN_REGISTRY"), unique("site"));
    let copy = format!("{place}/copy:1");
    run(Command::new("crane").args(["copy", "--insecure", package, &copy]));
    let refused = worker.kiln(&["package", "render", &copy]).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("is not in the repository of the package") && said.contains("--platform"),
        "{said}"
    );
    run(&mut worker.kiln(&["package", "verify", &copy]));

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("app.tar");
    let file = file.to_str().expect("a path");
    run(&mut worker.kiln(&["package", "export", package, "-o", file]));
    let sent = run(&mut worker.kiln(&["package", "import", file, &place]));
    let sent = sent.trim().split('@').next().expect("a reference");
    let repository = sent.rsplit_once(':').expect("a tag").0;
    let rendered = run(&mut worker.kiln(&["package", "render", sent]));
    assert!(rendered.contains(&format!("image: {repository}@{digest}")), "{rendered}");
}
