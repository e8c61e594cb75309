//! What a container's spec may say, on the real stack: what the image holds tells whether it
//! arrived.

use std::cell::Cell;

use kilnworks_activities::pod::{phase::is_unfinished, seen::SeenPod};
use kilnworks_tests::{
    engine::{End, client, eventually, variable},
    registry::{Object, config, file, layers, lines_with},
    stack::{PATIENCE, Worker, cluster, ended, pods, publish, spec, start, unique},
};
use kilnworks_workflows::{
    BuildApp,
    output::{BuildOutput, ContainerImage},
    progress::{ContainerProgress, State},
};
use serde_json::{Value, json};
use temporalio_client::WorkflowQueryOptions;

async fn build(worker: &Worker, document: &Value) -> End {
    let id = unique("spec");
    start("BuildApp", &worker.queue, &id, document);
    ended(&id).await
}

fn image<'a>(output: &'a BuildOutput, container: &str) -> &'a ContainerImage {
    let mut images = output.images.iter();
    let image = images.find(|image| image.container == container);
    image.expect(container)
}

/// A repository with one Dockerfile, which begins with the stack's base image.
fn dockerfile(name: &str, lines: &str) -> String {
    let text = format!("FROM {}\n{lines}", variable("KILN_BASE_IMAGE"));
    publish(&unique(name), &[("Dockerfile", &text)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_secret_is_readable_and_enters_no_layer() {
    // The secret's letters, made capitals, are the proof that the build has read it.
    let token = format!("geheim-{}", uuid::Uuid::new_v4().simple());
    let secret = Object::new(json!({"kind": "Secret", "stringData": {"key": token}}));
    let url = dockerfile("secret", "RUN tr a-z A-Z </kiln/secrets/token >/seen\n");
    let containers = json!([{
        "name": "server", "secrets": [{"name": "token", "secret": secret.name, "key": "key"}],
    }]);
    let worker = Worker::start(&unique("secret"), &[]).await;
    let document = spec(&unique("secret"), &url, containers);
    let output = build(&worker, &document).await.output();
    let reference = &image(&output, "server").reference;
    assert_eq!(file(reference, "seen"), token.to_uppercase());
    assert!(!config(reference).to_string().contains(&token));
    let layers = layers(reference);
    assert!(layers.len() > 1, "{layers:?}");
    let count = |text: &str| -> usize {
        let counts = layers.iter().map(|layer| lines_with(reference, layer, text));
        counts.sum()
    };
    assert!(count(&token.to_uppercase()) > 0, "the search finds texts");
    assert_eq!(count(&token), 0);
    assert_eq!(count("kiln/secrets"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_arrive_unchanged_and_the_target_is_built() {
    let odd = r#"$(HOME) $$ ${X} $X 'one' "two" a=b, `c` \ end"#;
    let lines = "ARG TEXT\nLABEL from.arg=\"$TEXT\"\nRUN printf %s \"$TEXT\" >/text\n\
                 FROM scratch\nCOPY nothing-like-this /\n";
    let text = format!("FROM {} AS first\n{lines}", variable("KILN_BASE_IMAGE"));
    let url = publish(&unique("texts"), &[("Dockerfile", &text)]);
    let containers = json!([{
        "name": "server", "target": "first", "kaniko": ["--single-snapshot"],
        "buildArgs": {"TEXT": odd}, "labels": {"from.spec": odd}, "tags": ["also"],
    }]);
    let worker = Worker::start(&unique("texts"), &[]).await;
    let document = spec(&unique("texts"), &url, containers);
    let output = build(&worker, &document).await.output();
    let image = image(&output, "server");
    assert_eq!(file(&image.reference, "text"), odd);
    let repository = image.reference.split('@').next().expect("a repository");
    let config = config(&format!("{repository}:also"));
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["from.arg"], odd);
    assert_eq!(labels["from.spec"], odd);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_keeps_layers_where_it_is_wanted() {
    let url = dockerfile("cache", "RUN date +%s.%N >/stamp\n");
    let containers = json!([
        {"name": "kept", "cache": {"enabled": true}}, {"name": "anew"},
    ]);
    let worker = Worker::start(&unique("cache"), &[]).await;
    let mut document = spec(&unique("cache"), &url, containers);
    // It is layers that are used again here, not images.
    document["defaults"]["reuse"] = json!("never");
    let first = build(&worker, &document).await.output();
    let second = build(&worker, &document).await.output();
    let stamp = |output, container| file(&image(output, container).reference, "stamp");
    let last = |output, container| layers(&image(output, container).reference).pop();
    assert_eq!(stamp(&first, "kept"), stamp(&second, "kept"));
    assert_eq!(last(&first, "kept"), last(&second, "kept"));
    assert_ne!(stamp(&first, "anew"), stamp(&second, "anew"));
    assert_ne!(last(&first, "anew"), last(&second, "anew"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_out_of_memory_gets_more_up_to_a_bound() {
    // `tail` keeps a line that does not end, all of it.
    let base = variable("KILN_BASE_IMAGE");
    let some = format!("FROM {base}\nRUN head -c 120M /dev/zero | tail >/dev/null\n");
    let all = format!("FROM {base}\nRUN tail /dev/zero >/dev/null\n");
    let files = [("some/Dockerfile", some.as_str()), ("all/Dockerfile", &all)];
    let url = publish(&unique("memory"), &files);
    let containers = json!([
        {"name": "some", "contextDir": "some"}, {"name": "all", "contextDir": "all"},
    ]);
    let worker = Worker::start(&unique("memory"), &[]).await;
    let mut document = spec(&unique("memory"), &url, containers);
    document["defaults"]["resources"]["memory"] = json!("120Mi");
    let (kind, details) = build(&worker, &document).await.failure();
    assert_eq!(kind, "OutOfMemory", "{details:?}");
    assert_eq!(details.failures.len(), 1, "{details:?}");
    let all = &details.failures[0];
    assert_eq!((all.container.as_str(), all.attempt), ("all", Some(3)));
    // 120 MiB, and twice half more.
    assert!(all.message.contains("270Mi"), "{}", all.message);
    let some = &details.images[0];
    assert!(some.attempts > 1, "{some:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_without_room_waits_and_says_so() {
    let url = dockerfile("room", "RUN sleep 6\n");
    let worker = Worker::start(&unique("room"), &[("KILN_MAX_BUILDS", "1")]).await;
    let app = unique("room");
    let document =
        spec(&app, &url, json!([{"name": "one"}, {"name": "two", "labels": {"two": "true"}}]));
    start("BuildApp", &worker.queue, &worker.queue, &document);
    let (client, cluster) = (client().await, cluster().await);
    let handle = client.get_workflow_handle::<BuildApp>(&worker.queue);
    let (said, most) = (Cell::new(false), Cell::new(0));
    eventually("both images", PATIENCE, async || {
        let pods = pods(&cluster, &app).await;
        let unfinished = pods.into_iter().map(SeenPod::from).filter(is_unfinished).count();
        most.set(unfinished.max(most.get()));
        let options = WorkflowQueryOptions::default();
        let rows = handle.query(BuildApp::progress, (), options).await.ok()?;
        let queued = |row: &ContainerProgress| {
            let reason = row.reason.as_deref().unwrap_or_default();
            row.state == State::Queued && reason.contains("1 of at most 1 builds run")
        };
        said.set(said.get() || rows.containers.iter().any(queued));
        let over = rows.containers.iter().all(|row| row.state.is_final());
        over.then_some(())
    })
    .await;
    assert_eq!(ended(&worker.queue).await.output().images.len(), 2);
    assert_eq!(most.get(), 1, "unfinished Pods at once");
    assert!(said.get(), "the progress tells what is waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn base_images_are_built_on_by_their_digests() {
    let base = variable("KILN_BASE_IMAGE");
    let text = format!(
        "ARG BASE=none\nFROM \"$BASE\" AS first\nRUN echo made >/made\nFROM nothing.invalid/x AS unneeded\n\
         FROM \\\n  {base} \\\n  # the same\n  AS last\nCOPY --from=first /made /\n\
         COPY \\\n  --from={base} /etc/debian_version /copied\n"
    );
    let text = format!("{text}FROM {base} AS behind\nRUN exit 1\n");
    let url = publish(&unique("pinned"), &[("Dockerfile", &text)]);
    let mut document = spec(&unique("pinned"), &url, json!([]));
    let fields = document.as_object_mut().expect("a document");
    fields.remove("apiVersion");
    fields.remove("components");
    fields.insert("component".to_owned(), json!("web"));
    fields.insert(
        "container".to_owned(),
        json!({
            "name": "server", "target": "last", "kaniko": ["--skip-unused-stages"],
            "buildArgs": {"BASE": base},
        }),
    );
    let worker = Worker::start(&unique("pinned"), &[]).await;
    let id = unique("pinned");
    start("BuildContainer", &worker.queue, &id, &document);
    let output = ended(&id).await.output();
    let image = image(&output, "server");
    assert_eq!(file(&image.reference, "made"), "made\n");
    assert_eq!(file(&image.reference, "copied"), file(&base, "etc/debian_version"));
    let made = image.made.as_deref().expect("what it was made of");
    let [one] = made.bases.as_slice() else { panic!("one base: {made:?}") };
    assert_eq!(one.image, base);
    let history = config(&image.reference)["history"].to_string();
    assert!(history.contains(&format!("--from={base}@{}", one.digest)), "{history}");
    assert!(made.key.is_some());
}
