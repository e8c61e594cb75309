//! What did not change is used again, on the real stack.

use std::process::Command;

use kilnworks_tests::{
    engine::{client, end, variable},
    stack::{PATIENCE, Worker, change, publish, run, spec, start, unique},
};
use kilnworks_workflows::{
    BuildApp,
    names::child_workflow_id,
    output::{BuildOutput, ContainerImage},
};
use serde_json::{Value, json};

async fn build(worker: &Worker, document: &Value) -> BuildOutput {
    let id = unique("reuse");
    start("BuildApp", &worker.queue, &id, document);
    let client = client().await;
    let handle = client.get_workflow_handle::<BuildApp>(&id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    let output = ended.expect("the build ends in its time").output();
    for image in &output.images {
        let own = child_workflow_id(&child_workflow_id(&id, &image.component), &image.container);
        let own = client.get_workflow_handle::<BuildApp>(own).describe(Default::default()).await;
        assert_eq!(own.is_err(), image.reused, "who has an image has no workflow: {image:?}");
    }
    output
}

/// Which containers had a Pod.
fn built(output: &BuildOutput) -> Vec<&str> {
    let built = output.images.iter().filter(|image| !image.reused);
    for image in &output.images {
        assert_eq!(image.reused, image.attempts == 0, "{image:?}");
    }
    built.map(|image| image.container.as_str()).collect()
}

fn digests(output: &BuildOutput) -> Vec<&str> {
    output.images.iter().map(|image: &ContainerImage| image.digest.as_str()).collect()
}

fn crane(arguments: &[&str]) -> String {
    run(Command::new("crane").args(arguments).arg("--insecure")).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_built_again() {
    let worker = Worker::start(&unique("reuse"), &[]).await;
    // A base image of this test alone, whose tag can be moved.
    let app = unique("reuse");
    let base = format!("{}/{app}/base:1", variable("KILN_REGISTRY"));
    crane(&["copy", &variable("KILN_BASE_IMAGE"), &base]);
    let stable = format!("FROM {}\nCOPY file /\n", variable("KILN_BASE_IMAGE"));
    let moving = format!("FROM {base}\nCOPY file /\n");
    let name = unique("reuse");
    let url = publish(
        &name,
        &[("a/Dockerfile", &stable), ("a/file", "1"), ("b/Dockerfile", &moving), ("b/file", "1")],
    );
    let containers = json!([{"name": "a", "contextDir": "a"}, {"name": "b", "contextDir": "b"}]);
    let document = spec(&app, &url, containers);

    let first = build(&worker, &document).await;
    assert_eq!(built(&first), ["a", "b"]);
    let again = build(&worker, &document).await;
    assert_eq!(built(&again), Vec::<&str>::new(), "nothing has changed");
    assert_eq!(digests(&again), digests(&first));
    assert_eq!(again.package, first.package, "the same package");

    change(&name, &[("a/file", "2")]);
    let changed = build(&worker, &document).await;
    assert_eq!(built(&changed), ["a"], "only its context has the file");
    let tag = &changed.images[1].tags[0];
    let tagged = crane(&["digest", &format!("{}:{tag}", repository(&changed.images[1]))]);
    assert_eq!(tagged, first.images[1].digest, "what is used again has the new commit's tag");

    crane(&["mutate", &base, "--env", "MOVED=1", "-t", &base]);
    let moved = build(&worker, &document).await;
    assert_eq!(built(&moved), ["b"], "it stands on the image that moved");

    let mut other = document.clone();
    other["app"] = json!(unique("other"));
    let other = build(&worker, &other).await;
    assert_eq!(built(&other), Vec::<&str>::new(), "another app of the same prefix");
    assert_eq!(digests(&other), digests(&moved));

    let mut anew = document.clone();
    anew["components"][0]["containers"][1]["reuse"] = json!("never");
    assert_eq!(built(&build(&worker, &anew).await), ["b"]);
}

fn repository(image: &ContainerImage) -> &str {
    image.reference.split('@').next().expect("a name")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_can_ask_for_everything_anew() {
    let worker = Worker::start(&unique("anew"), &[]).await;
    let dockerfile = format!("FROM {}\nCOPY Dockerfile /\n", variable("KILN_BASE_IMAGE"));
    let url = publish(&unique("anew"), &[("Dockerfile", &dockerfile)]);
    let document = spec(&unique("anew"), &url, json!([{"name": "one", "reuse": "full"}]));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), document.to_string()).expect("the spec");
    let path = file.path().to_str().expect("a path");
    let attempts = |more: &[&str]| {
        let mut arguments = vec!["build", path, "-o", "json"];
        arguments.extend(more);
        let output: Value = serde_json::from_str(&run(&mut worker.kiln(&arguments))).expect("JSON");
        output["images"][0]["attempts"].clone()
    };
    assert_eq!(attempts(&[]), 1);
    assert_eq!(attempts(&[]), 0);
    assert_eq!(attempts(&["--no-reuse"]), 1);
}
