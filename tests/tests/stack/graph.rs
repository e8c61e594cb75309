//! Containers that are built from others, on the real stack.

use std::process::Command;

use kilnworks_tests::{
    engine::{client, end, variable},
    stack::{PATIENCE, Worker, change, publish, run, spec, start, unique},
};
use kilnworks_workflows::{
    BuildApp,
    output::{BuildOutput, ContainerImage},
};
use serde_json::{Value, json};

async fn build(worker: &Worker, document: &Value) -> BuildOutput {
    let id = unique("graph");
    start("BuildApp", &worker.queue, &id, document);
    let client = client().await;
    let handle = client.get_workflow_handle::<BuildApp>(&id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    ended.expect("the build ends in its time").output()
}

/// Which containers had a Pod.
fn built(output: &BuildOutput) -> Vec<&str> {
    let built = output.images.iter().filter(|image| image.attempts > 0);
    built.map(|image| image.container.as_str()).collect()
}

/// The digests of an image's layers.
fn layers(image: &ContainerImage) -> Vec<Value> {
    let text = run(Command::new("crane").args(["manifest", "--insecure", &image.reference]));
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    let layers = manifest["layers"].as_array().expect("layers").iter();
    layers.map(|layer| layer["digest"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_base_builds_all_that_stands_on_it() {
    let worker = Worker::start(&unique("graph"), &[]).await;
    let name = unique("graph");
    let base = format!("FROM {}\nCOPY file /base\n", variable("KILN_BASE_IMAGE"));
    let on_base = "FROM {{ images.base_image.reference }}\nCOPY file /server\n";
    let by_arg = "ARG BASE\nFROM $BASE\nCOPY file /runner\n";
    let url = publish(
        &name,
        &[
            ("base/Dockerfile", &base),
            ("base/file", "1"),
            ("server/Dockerfile", on_base),
            ("server/file", "server"),
            ("runner/Dockerfile", by_arg),
            ("runner/file", "runner"),
        ],
    );
    let containers = json!([
        {"name": "server", "contextDir": "server", "from": "base-image"},
        {"name": "base-image", "contextDir": "base"},
    ]);
    let mut document = spec(&unique("graph"), &url, containers);
    let runner = json!({
        "name": "runner", "contextDir": "runner", "from": "web/base-image",
        "buildArgs": {"BASE": "{{ images.web.base_image.reference }}"},
    });
    let jobs = json!({"name": "jobs", "containers": [runner]});
    document["components"].as_array_mut().expect("components").push(jobs);

    let first = build(&worker, &document).await;
    assert_eq!(built(&first), ["server", "base-image", "runner"]);
    let below = layers(&first.images[1]);
    for image in [&first.images[0], &first.images[2]] {
        let layers = layers(image);
        assert_eq!(layers[..below.len()], below, "it stands on the base");
        assert_eq!(layers.len(), below.len() + 1);
    }

    let again = build(&worker, &document).await;
    assert_eq!(built(&again), Vec::<&str>::new(), "nothing has changed");

    change(&name, &[("base/file", "2")]);
    let changed = build(&worker, &document).await;
    assert_eq!(built(&changed), ["server", "base-image", "runner"]);
    let below = layers(&changed.images[1]);
    assert_eq!(layers(&changed.images[0])[..below.len()], below);

    change(&name, &[("server/file", "anew")]);
    assert_eq!(built(&build(&worker, &document).await), ["server"], "the base is as it was");
}
