//! Secrets of every kind, planted: nothing that people or machines can read of a build afterwards,
//! or while it runs, holds any of them.

use std::cell::RefCell;

use aws_sdk_s3::primitives::DateTime;
use kilnworks_tests::{
    engine::{End, client, end, eventually, variable},
    needles::{Needle, none_in},
    registry::{Object, Registry, kubectl},
    stack::{PATIENCE, Worker, cluster, pods, publish, run, spec, start, unique},
};
use kilnworks_workflows::BuildApp;
use serde_json::{Value, json};

/// What a build may read and nobody else.
struct Planted {
    registry: Registry,
    token: String,
    build: Object,
    push: Object,
    ca: Object,
}

impl Planted {
    async fn new() -> Self {
        let registry = Registry::start().await;
        let token = format!("geheim-{}", uuid::Uuid::new_v4().simple());
        let build = Object::new(json!({"kind": "Secret", "stringData": {"key": token}}));
        let push = registry.secret(&registry.password, Some(&registry.host));
        let ca = Object::new(json!({"kind": "ConfigMap", "data": {"ca.crt": registry.ca}}));
        Self { registry, token, build, push, ca }
    }

    fn needles(&self) -> Vec<Needle> {
        let key = std::fs::read_to_string(variable("KILN_GIT_SSH_KEY")).expect("the key");
        // A line of the key itself: its armour is no secret, and line ends are written in many ways.
        let key = key.lines().nth(2).expect("a line of the key");
        vec![
            Needle::new("git password", &variable("KILN_GIT_PASSWORD")),
            Needle::new("ssh key", key),
            Needle::new("registry password", &self.registry.password),
            Needle::new("S3 secret key", &variable("AWS_SECRET_ACCESS_KEY")),
            Needle::new("build secret", &self.token),
        ]
    }

    /// Three builds that read all of them: two succeed, and one fails while it has them open.
    fn document(&self, app: &str) -> Value {
        let from = format!("FROM {}\n", variable("KILN_BASE_IMAGE"));
        let reads = "RUN sha256sum /kiln/secrets/token >/seen && sleep 2\n";
        let publish = |name: &str, lines: &str| {
            // No two contexts are alike, so each is stored.
            publish(name, &[("Dockerfile", &format!("{from}# {name}\n{lines}"))])
        };
        let private = publish(&format!("private/{app}"), reads);
        let failing =
            publish(&format!("private/{app}-failing"), "RUN exec 3</kiln/secrets/token; exit 7\n");
        let ssh = unique("secrets");
        publish(&ssh, reads);
        let ssh = format!("{}/{ssh}.git", variable("KILN_GIT_SSH_URL"));
        let secrets = json!([{"name": "token", "secret": self.build.name, "key": "key"}]);
        let git = |url: &str, secret| json!({"git": {"url": url, "secret": secret}});
        let mut document = spec(
            app,
            &private,
            json!([
                {"name": "good", "secrets": secrets, "source": git(&private, "git-private")},
                {"name": "bad", "secrets": secrets, "source": git(&failing, "git-private")},
                {"name": "ssh", "secrets": secrets, "source": git(&ssh, "git-ssh")},
            ]),
        );
        document["defaults"]["registry"] = json!({
            "prefix": format!("{}/team", self.registry.host), "ca": {"configMap": self.ca.name},
        });
        document["defaults"]["pushSecret"] = json!(self.push.name);
        document
    }
}

/// Waits for the end of a build, and gives what its Pods were meanwhile.
async fn watched(app: &str, id: &str) -> (End, String) {
    let (client, cluster) = (client().await, cluster().await);
    let seen = RefCell::new(String::new());
    let handle = client.get_workflow_handle::<BuildApp>(id);
    let watch = eventually("the end", PATIENCE, async || {
        let pods = pods(&cluster, app).await;
        *seen.borrow_mut() += &json!(pods).to_string();
        None::<()>
    });
    let ended = tokio::select! {
        ended = end(&handle) => ended,
        () = watch => unreachable!("it never ends by itself"),
    };
    assert!(seen.borrow().contains("kiln.io/dockerfile"), "no Pod was seen");
    (ended, seen.into_inner())
}

/// Every object that came into the bucket since a time, unpacked where it is packed.
async fn stored_since(since: DateTime) -> Vec<(String, String)> {
    let config = aws_config::load_from_env().await;
    let config = aws_sdk_s3::config::Builder::from(&config)
        .endpoint_url(variable("KILN_S3_ENDPOINT"))
        .force_path_style(true)
        .build();
    let (s3, bucket) = (aws_sdk_s3::Client::from_conf(config), variable("KILN_S3_BUCKET"));
    let mut objects = Vec::new();
    let mut pages = s3.list_objects_v2().bucket(&bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.expect("a list");
        let new =
            page.contents().iter().filter(|it| it.last_modified().is_some_and(|at| *at >= since));
        for key in new.filter_map(|object| object.key()) {
            // Another test's object may be gone by now.
            let Ok(object) = s3.get_object().bucket(&bucket).key(key).send().await else {
                continue;
            };
            let bytes = object.body.collect().await.expect("its bytes").into_bytes();
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), &bytes).expect("a file");
            let text = std::process::Command::new("gzip").arg("-dcf").arg(file.path()).output();
            let text = text.expect("gzip runs").stdout;
            objects.push((key.to_owned(), String::from_utf8_lossy(&text).into_owned()));
        }
    }
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_in_what_a_build_leaves() {
    let planted = Planted::new().await;
    let needles = planted.needles();
    let app = unique("secrets");
    let document = planted.document(&app);
    // The store's clock has whole seconds.
    let since = DateTime::from_secs(DateTime::from(std::time::SystemTime::now()).secs() - 1);
    let log = [("KILN_LOG", "debug"), ("KILN_LOG_FORMAT", "json"), ("KILN_STORE", "s3")];
    let worker = Worker::start(&app, &log).await;
    start("BuildApp", &worker.queue, &app, &document);
    let (ended, pods) = watched(&app, &app).await;
    let (kind, details) = ended.failure();
    assert_eq!(kind, "BuildFailed", "{details:?}");
    assert_eq!((details.failures.len(), details.images.len()), (1, 2), "{details:?}");

    none_in(&needles, "the failure", &json!(details).to_string());
    none_in(&needles, "a Pod", &pods);
    none_in(&needles, "the worker's log", &worker.log());
    assert!(worker.log().contains("DEBUG"), "it was to be logged in full");
    for below in ["", "/web", "/web/good", "/web/bad", "/web/ssh"] {
        let id = format!("{app}{below}");
        let show = ["workflow", "show", "--workflow-id", &id, "-o", "json"];
        none_in(
            &needles,
            &format!("the history of {id}"),
            &run(std::process::Command::new("temporal").args(show)),
        );
    }
    let stored = stored_since(since).await;
    assert!(stored.len() >= 3, "three contexts: {}", stored.len());
    for (key, text) in stored {
        none_in(&needles, &key, &text);
    }
    let status = worker.kiln(&["status", &app, "-o", "json"]).output().expect("kiln runs");
    none_in(&needles, "`kiln status`", &String::from_utf8_lossy(&status.stdout));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), document.to_string()).expect("the spec");
    let path = file.path().to_str().expect("a path");
    none_in(&needles, "`kiln plan`", &run(&mut worker.kiln(&["plan", path, "--show", "pods"])));
    let events = run(&mut kubectl(&["get", "events", "-o", "json"]));
    none_in(&needles, "the cluster's events", &events);
}
