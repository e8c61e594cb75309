//! Builds on the real stack: a real cluster, real Kaniko Pods, a real registry.

use std::time::{Duration, Instant};

use kilnworks_tests::{
    engine::{End, client, end, eventually, variable},
    stack::{
        self, PATIENCE, Worker, cluster, example, names, pods, print, publish, spec, start, unique,
    },
};
use kilnworks_workflows::{BuildApp, output::BuildOutput};
use kube::ResourceExt;
use serde_json::json;
use temporalio_client::Client;

async fn ended(client: &Client, id: &str) -> kilnworks_tests::engine::End {
    let handle = client.get_workflow_handle::<BuildApp>(id);
    tokio::time::timeout(PATIENCE, end(&handle)).await.expect("the build ends in its time")
}

async fn built(client: &Client, id: &str) -> BuildOutput {
    ended(client, id).await.output()
}

/// The example app, whose images say what the template and the build args put in.
async fn example_builds(settings: &[(&str, &str)]) {
    let worker = Worker::start(&unique("example"), settings).await;
    let client = client().await;
    let cluster = cluster().await;
    let mut document = example();
    document["app"] = json!(unique("shop"));
    start("BuildApp", &worker.queue, &worker.queue, &document);
    let output = built(&client, &worker.queue).await;
    let image = |name: &str| output.images.iter().find(|it| it.container == name).expect(name);
    assert_eq!(output.images.len(), 5);
    for image in &output.images {
        assert!(image.size > 0 && image.platform == "linux/amd64", "{image:?}");
    }
    assert!(image("migrate").init);
    assert_eq!(image("shell").attempts, 0);

    let server = image("server");
    let commit = server.commit.as_deref().expect("a commit");
    assert_eq!(server.tags, [format!("g{}", &commit[..12]), "latest".to_owned()]);
    let page = print(&cluster, &server.reference).await;
    assert!(page.contains(&format!("Built of {commit}")), "{page}");
    assert!(page.contains("<h1>The kiln shop</h1>") && page.contains("jug at 19"), "{page}");
    let says = async |name: &str| print(&cluster, &image(name).reference).await;
    assert_eq!(says("migrate").await, "migrate has 2 migrations\n");
    assert_eq!(says("report").await, "sold 12 pieces\n");
    assert_eq!(says("loader").await, "loaded from a private repository\n");

    let app = document["app"].as_str().expect("a name");
    eventually("every Pod to be removed", PATIENCE, async || {
        pods(&cluster, app).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_builds_by_s3_and_pods() {
    example_builds(&[("KILN_STORE", "s3"), ("KILN_LAUNCHER", "pod")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_builds_by_volume_and_jobs() {
    example_builds(&[("KILN_STORE", "volume"), ("KILN_LAUNCHER", "job")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_two_pairs_build_too() {
    let url = publish(&unique("pairs"), &[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let client = client().await;
    for settings in [
        [("KILN_STORE", "s3"), ("KILN_LAUNCHER", "job")],
        [("KILN_STORE", "volume"), ("KILN_LAUNCHER", "pod")],
    ] {
        let worker = Worker::start(&unique("pair"), &settings).await;
        let document = spec(&unique("pair"), &url, json!([{"name": "server"}]));
        start("BuildApp", &worker.queue, &worker.queue, &document);
        assert_eq!(built(&client, &worker.queue).await.images.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_and_a_container_start_by_the_temporal_command() {
    let worker = Worker::start(&unique("alone"), &[]).await;
    let client = client().await;
    let url = publish(&unique("alone"), &[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let app = spec(&unique("alone"), &url, json!([{"name": "server"}]));
    let component = json!({
        "app": app["app"], "defaults": app["defaults"], "component": app["components"][0],
    });
    let container = json!({
        "app": app["app"], "version": "2.0.0+rc", "defaults": app["defaults"],
        "component": "web", "container": {"name": "server"},
    });
    let id = unique("component");
    start("BuildComponent", &worker.queue, &id, &component);
    assert_eq!(built(&client, &id).await.images.len(), 1);
    let id = unique("container");
    start("BuildContainer", &worker.queue, &id, &container);
    let output = built(&client, &id).await;
    assert_eq!(output.images[0].tags, ["2.0.0_rc"]);
    let result = stack::result(&id).await;
    assert_eq!(result["status"], "COMPLETED", "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_spec_ends_at_once_with_every_fault() {
    let worker = Worker::start(&unique("wrong"), &[]).await;
    let client = client().await;
    let begin = Instant::now();
    start(
        "BuildApp",
        &worker.queue,
        &worker.queue,
        &json!({"apiVersion": "v0", "app": "A", "x": 1}),
    );
    let (kind, details) = ended(&client, &worker.queue).await.failure();
    // Two seconds is the promise; the rest is slack for a busy machine.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(kind, "InvalidSpec");
    let message = &details.failures[0].message;
    for fault in ["x: unknown field", "components: missing"] {
        assert!(message.contains(fault), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_s_builds_go_on_with_the_same_pods() {
    let mut worker = Worker::start(&unique("killed"), &[]).await;
    let client = client().await;
    let cluster = cluster().await;
    let base = stack_base();
    let dockerfile = format!("FROM {base}\nRUN sleep 15\n");
    let url = publish(&unique("killed"), &[("Dockerfile", &dockerfile)]);
    let app = unique("killed");
    // The second one would wait for the first one's Pod if they were equal.
    let containers = json!([{"name": "one"}, {"name": "two", "labels": {"two": "true"}}]);
    let document = spec(&app, &url, containers);
    start("BuildApp", &worker.queue, &worker.queue, &document);
    let running = eventually("both Pods to run", PATIENCE, async || {
        let pods = pods(&cluster, &app).await;
        let runs = |pod: &k8s_openapi::api::core::v1::Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            phase == Some("Running")
        };
        (pods.len() == 2 && pods.iter().all(runs)).then_some(pods)
    })
    .await;
    let id = worker.queue.clone();
    worker.kill();
    let _next = worker.another().await;
    // Whatever is there at any moment from now on is one of the two.
    let known: Vec<_> = running.iter().filter_map(|pod| pod.uid()).collect();
    eventually("both Pods to be gone", PATIENCE, async || {
        let pods = pods(&cluster, &app).await;
        assert!(pods.iter().filter_map(|pod| pod.uid()).all(|uid| known.contains(&uid)));
        pods.is_empty().then_some(())
    })
    .await;
    let output = built(&client, &id).await;
    assert_eq!(output.images.len(), 2);
    assert!(output.images.iter().all(|image| image.attempts == 1), "{:?}", output.images);
}

/// Starts an app of one container that builds for a while, and waits for its running Pod.
async fn slow(worker: &Worker, cluster: &kube::Client, seconds: u32) -> (String, String) {
    let dockerfile = format!("FROM {}\nRUN sleep {seconds}\n", stack_base());
    let url = publish(&unique("slow"), &[("Dockerfile", &dockerfile)]);
    let app = unique("slow");
    let document = spec(&app, &url, json!([{"name": "one"}]));
    start("BuildApp", &worker.queue, &worker.queue, &document);
    let pod = eventually("the Pod to run", PATIENCE, async || {
        let pods = pods(cluster, &app).await;
        let status = pods.first()?.status.as_ref()?;
        (status.phase.as_deref() == Some("Running")).then(|| names(&pods).remove(0))
    })
    .await;
    (app, pod)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_leaves_no_pod() {
    let worker = Worker::start(&unique("cancel"), &[]).await;
    let (client, cluster) = (client().await, cluster().await);
    let (app, _) = slow(&worker, &cluster, 600).await;
    let id = worker.queue.clone();
    stack::run(std::process::Command::new("temporal").args(["workflow", "cancel", "-w", &id]));
    assert!(matches!(ended(&client, &id).await, End::Cancelled));
    // Ten seconds is the promise; the rest is slack for a busy machine.
    eventually("the Pod to be gone", Duration::from_secs(50), async || {
        pods(&cluster, &app).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_pod_is_replaced() {
    let worker = Worker::start(&unique("deleted"), &[]).await;
    let (client, cluster) = (client().await, cluster().await);
    let (_, pod) = slow(&worker, &cluster, 5).await;
    let namespace = variable("KILN_NAMESPACE");
    let arguments = ["--namespace", &namespace, "delete", "pod", &pod, "--wait=false"];
    stack::run(std::process::Command::new("kubectl").args(arguments));
    let output = built(&client, &worker.queue).await;
    assert_eq!(output.images[0].attempts, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_instruction_comes_back_as_the_failure() {
    let worker = Worker::start(&unique("failing"), &[]).await;
    let client = client().await;
    let base = stack_base();
    let failing = format!("FROM {base}\nRUN true\nRUN echo the reason >&2; \\\n    exit 7\n");
    let url = publish(
        &unique("failing"),
        &[("good/Dockerfile", "FROM scratch\nCOPY . /\n"), ("bad/Dockerfile", &failing)],
    );
    let containers = json!([
        {"name": "good", "contextDir": "good"}, {"name": "bad", "contextDir": "bad"},
    ]);
    start("BuildApp", &worker.queue, &worker.queue, &spec(&unique("failing"), &url, containers));
    let (kind, details) = ended(&client, &worker.queue).await.failure();
    assert_eq!(kind, "BuildFailed");
    assert_eq!(details.images.len(), 1, "the other container is finished");
    let failure = &details.failures[0];
    assert_eq!((failure.component.as_str(), failure.container.as_str()), ("web", "bad"));
    assert_eq!(failure.exit_code, Some(7));
    assert_eq!(failure.line, Some(3), "{failure:?}");
    assert!(failure.instruction.as_deref().unwrap_or_default().contains("exit 7"), "{failure:?}");
    assert!(failure.log_tail.contains("the reason"), "{failure:?}");
}

fn stack_base() -> String {
    kilnworks_tests::engine::variable("KILN_BASE_IMAGE")
}
