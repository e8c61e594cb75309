//! Kilnworks in the cluster: its image, built by itself, is installed by the chart and builds the
//! example app.

use kilnworks_tests::{
    chart::Release,
    engine::{client, end, eventually, variable},
    stack::{
        PATIENCE, Worker, cluster, example, pods, print, publish, published, spec, start, unique,
    },
};
use kilnworks_workflows::{
    BuildApp,
    output::{BuildOutput, ContainerImage},
};
use serde_json::{Value, json};

/// The most that may have to be pulled before a worker starts, in bytes.
const LARGEST: u64 = 60_000_000;

async fn built(queue: &str, id: &str, document: &Value) -> BuildOutput {
    start("BuildApp", queue, id, document);
    outcome(id).await
}

async fn outcome(id: &str) -> BuildOutput {
    let handle = client().await.get_workflow_handle::<BuildApp>(id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    ended.expect("the build ends in its time").output()
}

/// The image of `kiln`, by a worker beside the cluster.
async fn image() -> ContainerImage {
    let worker = Worker::start(&unique("image"), &[]).await;
    let mut document = published("deploy/image/publish");
    document["app"] = json!(worker.queue);
    let output = built(&worker.queue, &worker.queue, &document).await;
    output.images.into_iter().next().expect("one image")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_builds_by_a_worker_in_the_cluster() {
    let image = image().await;
    assert!(image.size < LARGEST, "{} bytes", image.size);

    let release = Release::install(&image.reference).await;
    eventually("the worker to poll", PATIENCE, async || {
        release.log().contains(" polls ").then_some(())
    })
    .await;

    let (mut document, app) = (example(), unique("shop"));
    document["app"] = json!(app);
    let output = built(&release.name, &app, &document).await;
    assert_eq!(output.images.len(), 5);
    let report = output.images.iter().find(|image| image.container == "report");
    let cluster = cluster().await;
    let said = print(&cluster, &report.expect("an image").reference).await;
    assert_eq!(said, "sold 12 pieces\n");
    eventually("every Pod to be removed", PATIENCE, async || {
        pods(&cluster, &app).await.is_empty().then_some(())
    })
    .await;

    rolls_out_while_a_build_runs(&release).await;

    release.uninstall();
    assert_eq!(release.left_in_builds(), "");
    eventually("the release's objects to go", PATIENCE, async || {
        let left = release.kubectl(&["get", "deployments,jobs,pods", "--output", "name"]);
        left.is_empty().then_some(())
    })
    .await;
}

/// The worker's Pod is replaced; the next one goes on with the same build Pod.
async fn rolls_out_while_a_build_runs(release: &Release) {
    let app = unique("rolled");
    let dockerfile = format!("FROM {}\nRUN sleep 20\n", variable("KILN_BASE_IMAGE"));
    let url = publish(&app, &[("Dockerfile", &dockerfile)]);
    start("BuildApp", &release.name, &app, &spec(&app, &url, json!([{"name": "one"}])));
    let cluster = cluster().await;
    eventually("the build's Pod to run", PATIENCE, async || {
        let pods = pods(&cluster, &app).await;
        let phase = pods.first()?.status.as_ref()?.phase.clone()?;
        (phase == "Running").then_some(())
    })
    .await;
    let before = release.kubectl(&["get", "pods", "--output", "name"]);
    release.upgrade("settings.max-attempts=2");
    let after = release.kubectl(&["get", "pods", "--output", "name"]);
    assert!(!after.contains(before.trim()), "{before} is replaced, not {after}");
    let output = outcome(&app).await;
    assert_eq!(output.images[0].attempts, 1, "the build's Pod went on");
}
