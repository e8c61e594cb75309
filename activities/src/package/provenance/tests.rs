use kilnworks_workflows::{
    failure::{FailedAttempt, FailureType},
    output::{Base, ContainerImage, Made, Times},
    record::{API_VERSION, Record, Run},
};

use super::*;

fn text(text: &str) -> String {
    text.to_owned()
}

fn image(container: &str, made: Option<Made>) -> ContainerImage {
    ContainerImage {
        component: text("server"),
        container: text(container),
        init: false,
        reference: format!("r.example/shop-server-{container}@sha256:aa"),
        tags: vec![text("1.0.0")],
        digest: text("sha256:aa"),
        size: 7,
        platform: text("linux/amd64"),
        platforms: Vec::new(),
        commit: made.as_ref().map(|_| text("c0ffee")),
        attempts: 2,
        reused: false,
        files: false,
        made: made.map(Box::new),
        earlier: vec![FailedAttempt {
            platform: None,
            attempt: 1,
            kind: FailureType::Evicted,
            message: text("the node was low on memory"),
            pod: Some(text("kiln-x")),
            node: None,
            log: None,
        }],
        times: Times::default(),
    }
}

fn record() -> Record {
    let made = Made {
        source: text("https://git.example/shop.git"),
        revision: Some(text("main")),
        context_dir: text("web"),
        context: text("context-key"),
        dockerfile: text("sha256:dd"),
        build_args: vec![text("MODE")],
        bases: vec![Base { image: text("docker.io/library/debian:12"), digest: text("sha256:ee") }],
        key: None,
        workflow_id: text("shop/server/web"),
        run_id: text("run-web"),
    };
    Record {
        api_version: text(API_VERSION),
        app: text("shop"),
        component: Some(text("server")),
        version: Some(text("1.0.0")),
        images: vec![image("web", Some(made.clone())), image("api", Some(made)), image("db", None)],
        files: vec![],
        charts: vec![],
        run: Run {
            workflow_id: text("shop/server"),
            run_id: text("run"),
            started: text("2026-01-01T00:00:00Z"),
            finished: text("2026-01-01T00:01:00Z"),
            kilnworks: text("0.1.0"),
        },
    }
}

#[test]
fn a_packages_provenance() {
    let statement = of_package(&record(), "r.example/shop-server", "sha256:ff");
    insta::assert_json_snapshot!(statement);
}

#[test]
fn an_images_provenance() {
    let record = record();
    insta::assert_json_snapshot!(of_image(&record, &record.images[0], &record.images[0].digest));
}

#[test]
fn of_an_image_of_someone_elses_nothing_is_said() {
    let record = record();
    assert_eq!(of_image(&record, &record.images[2], &record.images[2].digest), None);
}
