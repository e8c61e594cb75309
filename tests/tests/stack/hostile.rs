//! What a hostile Dockerfile can reach, on the real stack: a `RUN` looks everywhere, and what it has
//! found is the threat model's table in SECURITY.md. The network is no part of it: no CNI is here to
//! enforce a policy.

use std::{collections::BTreeMap, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use kilnworks_tests::{
    engine::{End, client, end, eventually, variable},
    image::kiln_image,
    registry::{Object, file},
    stack::{PATIENCE, Worker, publish, run, spec, start, unique},
};
use kilnworks_workflows::BuildApp;
use serde_json::{Value, json};
use temporalio_client::{WorkflowCancelOptions, WorkflowQueryOptions};

const PROBE: &str = include_str!("../../hostile/probe.sh");

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETFCAP.
const CAPABILITIES: &str = "00000000800000fb";

async fn build(worker: &Worker, document: &Value) -> (String, End) {
    let id = unique("hostile");
    start("BuildApp", &worker.queue, &id, document);
    let client = client().await;
    let handle = client.get_workflow_handle::<BuildApp>(&id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    (id, ended.expect("the build ends in its time"))
}

fn dockerfile(lines: &str) -> String {
    format!("FROM {}\n{lines}", variable("KILN_BASE_IMAGE"))
}

/// A Secret with which the build pushes: what a `RUN` may do with it is the pusher's affair.
fn login() -> Object {
    let host = variable("KILN_REGISTRY");
    let config = json!({"auths": {&host: {"username": "builder", "password": unique("geheim")}}});
    Object::new(json!({
        "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"annotations": {"kiln.io/hosts": host}},
        "stringData": {".dockerconfigjson": config.to_string()},
    }))
}

/// What was found, by its name.
struct Found(BTreeMap<String, String>);

impl Found {
    fn is(&self, what: &str) -> &str {
        self.0.get(what).unwrap_or_else(|| panic!("the probe says nothing of {what}: {:?}", self.0))
    }
}

/// Builds a neighbour, and then what looks for it.
async fn probe(worker: &Worker) -> (String, Found) {
    let marker = format!("neighbour's {}, {}\n", "marker", unique("it"));
    let neighbour = publish(
        &unique("neighbour"),
        &[("Dockerfile", &dockerfile("COPY secret.txt /\n")), ("secret.txt", &marker)],
    );
    let neighbour = spec(&unique("neighbour"), &neighbour, json!([{"name": "server"}]));
    build(worker, &neighbour).await.1.output();
    let control = format!("neighbour's {}, {}\n", "control", unique("it"));
    let lines = "COPY . /app/\nRUN sh /app/probe.sh >/found\n";
    let url = publish(
        &unique("hostile"),
        &[("Dockerfile", &dockerfile(lines)), ("probe.sh", PROBE), ("sub/control", &control)],
    );
    let login = login();
    let mut document = spec(&unique("hostile"), &url, json!([{"name": "server"}]));
    document["defaults"]["pushSecret"] = json!(login.name);
    let (id, ended) = build(worker, &document).await;
    let found = file(&ended.output().images[0].reference, "found");
    let found = found.lines().filter_map(|line| line.split_once('='));
    let found = found.map(|(what, value)| (what.to_owned(), value.to_owned()));
    (id, Found(found.collect()))
}

/// What no build may find, however its context came.
fn nothing_of_others(found: &Found) {
    for what in ["tokens", "signed", "neighbours", "devices", "sockets", "writable", "mount"] {
        assert_eq!(found.is(what), "", "{what}");
    }
    assert!(found.is("control").contains("/app/sub/control"), "the search finds what is there");
    assert_eq!((found.is("uid"), found.is("Seccomp")), ("0", "2"));
    assert_eq!((found.is("CapEff"), found.is("CapBnd")), (CAPABILITIES, CAPABILITIES));
    // The login for the push is the build's own, and it can read it.
    assert_eq!(found.is("login"), "1");
    let processes = found.is("processes");
    assert!(processes.contains("executor") && !processes.contains("kubelet"), "{processes}");
}

const OF_THE_STORE: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_ENDPOINT"];

fn holds_the_store(found: &Found) -> bool {
    OF_THE_STORE.iter().any(|name| found.is("env").split(' ').any(|found| found == *name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_finds_what_its_delivery_shows_and_nothing_of_others() {
    let direct = Worker::start(&unique("direct"), &[("KILN_STORE", "s3")]).await;
    let (_, direct) = probe(&direct).await;
    nothing_of_others(&direct);
    // The known reach of this way: credentials that read any context whose key is known.
    assert!(holds_the_store(&direct), "{}", direct.is("env"));
    assert_eq!(direct.is("mounts"), "/kaniko/.docker:ro /kiln:ro");
    assert_eq!(direct.is("kiln"), "/kiln/Dockerfile");

    let settings = [
        ("KILN_STORE", "s3"),
        ("KILN_CONTEXT_DELIVERY", "presigned"),
        ("KILN_FETCH_IMAGE", kiln_image()),
        ("KILN_LAUNCHER", "job"),
        ("KILN_LOG", "debug"),
    ];
    let worker = Worker::start(&unique("presigned"), &settings).await;
    let (id, presigned) = probe(&worker).await;
    nothing_of_others(&presigned);
    assert!(!holds_the_store(&presigned), "{}", presigned.is("env"));
    assert_eq!(presigned.is("mounts"), "/kaniko/.docker:ro /kiln/context:ro /kiln:ro");
    assert_eq!(presigned.is("kiln"), "/kiln/Dockerfile /kiln/context /kiln/context/files");
    assert!(worker.log().contains("DEBUG"), "it was to be logged in full");
    assert!(!worker.log().contains("X-Amz-Signature"), "the worker's log has the address");
    for below in ["", "/web", "/web/server"] {
        let history = history(&format!("{id}{below}"));
        assert!(!history.contains("X-Amz-Signature"), "the history of {id}{below}");
    }

    let volume = Worker::start(&unique("volume"), &[("KILN_STORE", "volume")]).await;
    let (_, volume) = probe(&volume).await;
    nothing_of_others(&volume);
    assert!(!holds_the_store(&volume), "{}", volume.is("env"));
    assert_eq!(volume.is("mounts"), "/kaniko/.docker:ro /kiln/context:ro /kiln:ro");
    let part = volume.is("part");
    assert!(part.contains("/contexts/"), "one context's own directory is mounted, not {part}");
    assert_eq!(volume.is("kiln"), "/kiln/Dockerfile /kiln/context /kiln/context/context.tar.gz");

    assert!(volume.is("control").contains("/kiln/context/context.tar.gz"), "packed ones, too");

    // However it came, it is the same, and the archive is not in it.
    assert!(direct.is("files").starts_with(" d 755 0 0 "), "{}", direct.is("files"));
    assert!(!direct.is("files").contains("context.tar.gz"), "{}", direct.is("files"));
    assert_eq!(direct.is("files"), presigned.is("files"));
    assert_eq!(direct.is("files"), volume.is("files"));
}

/// A workflow's history, with the payloads in clear behind it.
fn history(id: &str) -> String {
    let show = ["workflow", "show", "--workflow-id", id, "-o", "json"];
    let shown = run(Command::new("temporal").args(show));
    let payloads: Vec<_> = shown
        .split('"')
        .filter_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok())
        .collect();
    shown + &payloads.concat()
}

/// Puts other bytes in place of the context that a build has uploaded, and lets the metadata be.
async fn replace_context(history: &str) {
    let (_, key) = history.split_once("\"contexts/").expect("a key of a context");
    let key = format!("contexts/{}", key.split('"').next().expect("its end"));
    let config = aws_config::load_from_env().await;
    let config = aws_sdk_s3::config::Builder::from(&config)
        .endpoint_url(variable("KILN_S3_ENDPOINT"))
        .force_path_style(true)
        .build();
    let (s3, bucket) = (aws_sdk_s3::Client::from_conf(config), variable("KILN_S3_BUCKET"));
    let head = s3.head_object().bucket(&bucket).key(&key).send().await.expect("the context");
    let metadata = head.metadata().cloned();
    assert!(metadata.as_ref().is_some_and(|all| all.contains_key("sha256")), "{metadata:?}");
    let put = s3.put_object().bucket(&bucket).key(&key).set_metadata(metadata);
    put.body(b"other bytes".to_vec().into()).send().await.expect("it is replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_not_what_was_uploaded_is_not_built() {
    let settings = [
        ("KILN_STORE", "s3"),
        ("KILN_CONTEXT_DELIVERY", "presigned"),
        ("KILN_FETCH_IMAGE", kiln_image()),
    ];
    let worker = Worker::start(&unique("replaced"), &settings).await;
    let url = publish(
        &unique("replaced"),
        &[("Dockerfile", &dockerfile("COPY data /\n")), ("data", &unique("data"))],
    );
    let mut document = spec(&unique("replaced"), &url, json!([{"name": "server"}]));
    document["defaults"]["reuse"] = json!("never");
    let (id, ended) = build(&worker, &document).await;
    ended.output();
    replace_context(&history(&format!("{id}/web/server"))).await;
    let id = unique("replaced");
    start("BuildApp", &worker.queue, &id, &document);
    let client = client().await;
    let handle = client.get_workflow_handle::<BuildApp>(&id);
    // It is a matter of the store, so the build says so, and tries again for hours.
    eventually("the build to say what it waits for", PATIENCE, async || {
        let options = WorkflowQueryOptions::default();
        let progress = handle.query(BuildApp::progress, (), options).await.ok()?;
        let mut reasons = progress.containers.iter().filter_map(|row| row.reason.as_deref());
        let expected = "the context could not be fetched: the store gave a context of SHA-256 ";
        reasons.any(|reason| reason.contains(expected)).then_some(())
    })
    .await;
    let cancel = WorkflowCancelOptions::default();
    handle.cancel(cancel).await.expect("it is cancelled");
    assert!(matches!(end(&handle).await, End::Cancelled), "nothing was built");
}

/// Each capability of a build is used once; without any of them a line fails.
const RIGHTS: &str = r#"
RUN touch /a && chown 1234:5678 /a && [ "$(stat -c %u:%g /a)" = 1234:5678 ]
RUN mkdir /d && chown nobody /d && chmod 700 /d && touch /d/x && chmod 755 /d && chown nobody /d/x && chmod 600 /d/x && echo z >>/d/x
RUN touch /g && chgrp mail /g && chmod 2755 /g && [ "$(stat -c %a /g)" = 2755 ]
RUN su nobody -s /bin/sh -c 'id -u' | grep -qx 65534
RUN perl -e 'my $d = pack("V5", 0x02000000, 0x400, 0, 0, 0); my ($p, $n) = ("/g", "security.capability"); syscall(188, $p, $n, $d, length $d, 0) == 0 or die $!'
RUN cp /usr/bin/id /as-root && chmod 4755 /as-root
USER nobody
RUN [ "$(/as-root -u)" = 0 ]
RUN sleep 100 & echo a child of another user is left
USER root
RUN echo and it goes on
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_build_may_do_what_builds_do() {
    let worker = Worker::start(&unique("rights"), &[]).await;
    let stages = format!(
        "{}FROM {}\nCOPY --from=0 /d /g /\nRUN [ \"$(stat -c %a /g)\" = 2755 ]\n",
        dockerfile(RIGHTS),
        variable("KILN_BASE_IMAGE")
    );
    let url = publish(&unique("rights"), &[("Dockerfile", &stages)]);
    let document = spec(&unique("rights"), &url, json!([{"name": "server"}]));
    build(&worker, &document).await.1.output();
}
