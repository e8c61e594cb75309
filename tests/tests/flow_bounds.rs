//! Invalid and large input on a real Temporal server, with fake steps: no build hangs.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use kilnworks_tests::{
    engine::{end, eventually, start, with_fakes, with_fakes_within},
    fakes::{FakeSteps, Fate},
    specs::{container, faults::plant, shop, valid},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, bounds,
    document::Kind,
    failure::{Failure, FailureType},
};
use serde_json::{Value, json};
use temporalio_client::{
    Client, WorkflowCountOptions, WorkflowDescribeOptions, WorkflowHandle, WorkflowQueryOptions,
    WorkflowStartOptions,
};
use temporalio_common::{
    data_converters::RawValue, protos::temporal::api::common::v1::Payload as Proto,
};

/// An input as any client may send it: its encoding and its bytes.
type Input = (&'static str, Vec<u8>);

/// Inputs that are no document.
fn strangers() -> Vec<Input> {
    let json = |value: Value| ("json/plain", value.to_string().into_bytes());
    vec![
        ("", Vec::new()),
        ("binary/null", Vec::new()),
        ("json/plain", Vec::new()),
        json(Value::Null),
        json(json!("a string")),
        json(json!("x".repeat(1024 * 1024))),
        json(json!([])),
        json(json!([{"app": "shop"}])),
        json(json!(7)),
        json(json!({})),
        ("json/plain", "[".repeat(1000).into_bytes()),
        ("json/plain", (r#"{"a":"#.repeat(1000) + "1" + &"}".repeat(1000)).into_bytes()),
        ("json/plain", ("[".repeat(126) + &"]".repeat(126)).into_bytes()),
        (
            "json/plain",
            (r#"{"app":"#.to_owned() + &"[".repeat(100) + &"]".repeat(100) + "}").into(),
        ),
        ("json/plain", b"{\"app\": ".to_vec()),
        ("json/plain", vec![0xff, 0xfe, 0x00]),
        ("binary/plain", vec![0; 1000]),
        ("binary/encrypted", b"\x01\x02\x03".to_vec()),
        ("json/protobuf", br#"{"app":"shop"}"#.to_vec()),
        ("no such encoding", b"app: shop".to_vec()),
    ]
}

/// Generated documents with planted faults.
fn wrong(count: usize) -> Vec<(Kind, Input)> {
    let recipes = valid::some(count).into_iter().enumerate();
    let documents = recipes.map(|(index, recipe)| {
        let mut document = recipe.document();
        let picks: Vec<_> = (0..=index % 9).map(|pick| (index * 31 + pick * 7919) as u16).collect();
        assert!(!plant(&recipe, &mut document, &picks).is_empty());
        (recipe.kind, ("json/plain", document.to_string().into_bytes()))
    });
    documents.collect()
}

/// Starts a workflow with an input, and returns the type of its failure.
async fn refused(client: &Client, queue: &str, id: &str, kind: Kind, input: Input) -> String {
    let (encoding, data) = input;
    let payload = Proto {
        metadata: HashMap::from([("encoding".to_owned(), encoding.into())]),
        data,
        ..Proto::default()
    };
    let input = RawValue::new(if encoding.is_empty() { vec![] } else { vec![payload] });
    let options = WorkflowStartOptions::new(queue, id).build();
    let ended = match kind {
        Kind::App => {
            end(&client.start_workflow(BuildApp::run, input, options).await.expect("it starts"))
                .await
        }
        Kind::Component => {
            end(&client
                .start_workflow(BuildComponent::run, input, options)
                .await
                .expect("it starts"))
            .await
        }
        Kind::Container => {
            end(&client
                .start_workflow(BuildContainer::run, input, options)
                .await
                .expect("it starts"))
            .await
        }
    };
    ended.failure().0
}

/// Waits until the server counts so many workflows of a queue in a status.
async fn counted(client: &Client, queue: &str, status: &str, wanted: usize) {
    let query = format!("TaskQueue = '{queue}' AND ExecutionStatus = '{status}'");
    eventually(&format!("{wanted} workflows {status}"), Duration::from_secs(30), async || {
        let options = WorkflowCountOptions::default();
        let count = client.count_workflows(query.clone(), options).await.expect("a count");
        (count.count() == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_invalid_documents_fail_at_once() {
    let kinds = [Kind::App, Kind::Component, Kind::Container];
    let strangers =
        kinds.into_iter().flat_map(|kind| strangers().into_iter().map(move |it| (kind, it)));
    let all: Vec<_> = strangers.chain(wrong(150)).collect();
    assert!(all.len() >= 200);
    let steps = FakeSteps::default();
    with_fakes(steps.clone(), async |client, queue| {
        let count = all.len();
        let refusals = all.into_iter().enumerate().map(|(index, (kind, input))| {
            let (client, queue) = (client.clone(), queue.clone());
            async move {
                let said =
                    format!("{kind:?} {} {:.60}", input.0, String::from_utf8_lossy(&input.1));
                let id = format!("{queue}-{index}");
                assert_eq!(
                    refused(&client, &queue, &id, kind, input).await,
                    "InvalidSpec",
                    "{said}"
                );
            }
        });
        stream::iter(refusals).buffer_unordered(20).collect::<Vec<_>>().await;
        counted(&client, &queue, "Failed", count).await;
        counted(&client, &queue, "Running", 0).await;
    })
    .await;
    assert_eq!(steps.ran(), Vec::<String>::new(), "no step runs for them");
}

/// How long 500 builds of fake steps may take on a busy machine.
const LONG: Duration = Duration::from_secs(600);

/// An app of so many components of so many containers.
fn large(components: usize, containers: usize) -> Value {
    let mut document = shop();
    let container = |index| json!({"name": format!("c{index}"), "labels": {"x": "x".repeat(200)}});
    let containers: Vec<_> = (0..containers).map(container).collect();
    let component = |index| json!({"name": format!("part{index}"), "containers": containers});
    document["components"] = (0..components).map(component).collect();
    document["maxParallel"] = json!(500);
    document
}

/// Bytes of a workflow's history.
async fn history_bytes(client: &Client, id: &str) -> i64 {
    let handle = client.get_workflow_handle::<BuildApp>(id);
    let described = handle.describe(WorkflowDescribeOptions::default()).await.expect("it is there");
    described.raw().workflow_execution_info.as_ref().expect("its info").history_size_bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_containers_are_built() {
    let steps = FakeSteps::default();
    let output = with_fakes_within(LONG, steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, large(50, 10)).await;
        let output = end(&handle).await.output();
        let progress = handle.query(BuildApp::progress, (), WorkflowQueryOptions::default()).await;
        assert_eq!(progress.expect("an answer").containers.len(), 500);
        output
    })
    .await;
    assert_eq!(output.images.len(), 500);
    assert_eq!(steps.count("launch"), 500);
    assert_eq!(steps.count("clean_up"), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_images_are_found() {
    let names = (0..50).flat_map(|part| (0..10).map(move |of| format!("part{part}/c{of}")));
    let steps = names.fold(FakeSteps::default(), |steps, name| steps.found(&name));
    let output = with_fakes_within(LONG, steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, large(50, 10)).await;
        end(&handle).await.output()
    })
    .await;
    assert_eq!(output.images.len(), 500);
    assert_eq!(steps.wanted().len(), 500);
    // Containers whose image does not fit into the result look for it themselves. The fakes find none.
    assert!(steps.count("render") < 250, "{} were not found", steps.count("render"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sources_are_fetched_at_once_and_files_stay_out_of_their_input() {
    let mut document = large(20, 1);
    document["files"] = json!([{"name": "large.txt", "content": "x".repeat(600_000)}]);
    let components = document["components"].as_array_mut().expect("a list");
    for (index, component) in components.iter_mut().enumerate() {
        let url = format!("https://git.example.com/{index}.git");
        component["source"] = json!({"git": {"url": url}});
    }
    let steps = FakeSteps::default();
    let (output, bytes) = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        (end(&handle).await.output(), history_bytes(&client, &queue).await)
    })
    .await;
    assert_eq!((output.images.len(), steps.wanted().len()), (20, 20));
    assert!(bytes < 4_000_000, "the input of `find_images` has no files: {bytes} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_failures_fit_into_the_limits_of_temporal() {
    let mut failure = Failure::new(FailureType::BuildFailed, "m".repeat(2 * bounds::MESSAGE_BYTES));
    failure.log_tail = "l".repeat(4 * 1024);
    failure.instruction = Some("RUN i".repeat(400));
    let names = (0..500).map(|index| format!("part0/c{index}"));
    let steps = names.fold(FakeSteps::default(), |steps, name| {
        steps.fate(&name, Fate::Fails(vec![failure.clone()]))
    });
    let (kind, details) = with_fakes_within(LONG, steps.clone(), async |client, queue| {
        let handle = start(&client, BuildApp::run, &queue, &queue, large(1, 500)).await;
        let failure = end(&handle).await.failure();
        let progress = handle.query(BuildApp::progress, (), WorkflowQueryOptions::default()).await;
        let rows = progress.expect("an answer").containers;
        assert!(rows.iter().all(|row| row.reason.is_some()), "each has a reason");
        let component = handle_of(&client, &format!("{queue}/part0"));
        let options = WorkflowQueryOptions::default();
        component.query(BuildComponent::progress, (), options).await.expect("an answer");
        let size = history_bytes(&client, &format!("{queue}/part0")).await;
        assert!(size < 45_000_000, "the engine ends a history of 50 MB; this one has {size}");
        failure
    })
    .await;
    assert_eq!(kind, "BuildFailed");
    assert_eq!(details.failures.len(), 500);
    let size = json!(details).to_string().len();
    assert!(size < 2_000_000, "{size}");
    assert!(details.failures[0].log_tail.len() == 4 * 1024, "the first failure is complete");
    assert_eq!(steps.count("clean_up"), 500);
}

fn handle_of(client: &Client, id: &str) -> WorkflowHandle<Client, BuildComponent> {
    client.get_workflow_handle::<BuildComponent>(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_without_room_for_its_children_is_refused() {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let id = |length: usize| queue.clone() + &"x".repeat(length - queue.len());
        let long = "x".repeat(bounds::NAME);
        let mut document = shop();
        document["components"][0]["name"] = json!(long);
        document["components"][0]["containers"][0]["name"] = json!(long);
        let room = bounds::WORKFLOW_ID - 2 * (bounds::NAME + 1);
        let handle = start(&client, BuildApp::run, &queue, &id(room), document.clone()).await;
        assert_eq!(end(&handle).await.output().images.len(), 4);
        let handle = start(&client, BuildApp::run, &queue, &id(room + 1), document).await;
        let (kind, details) = end(&handle).await.failure();
        assert_eq!(kind, "InvalidSpec");
        let message = &details.failures[0].message;
        assert!(message.contains("id has 919 bytes; at most 918 are accepted"), "{message}");
        let id = id(bounds::WORKFLOW_ID);
        let handle = start(&client, BuildContainer::run, &queue, &id, container()).await;
        end(&handle).await.output();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_the_longest_accepted_texts_is_built() {
    with_fakes(FakeSteps::default(), async |client, queue| {
        let mut document = shop();
        let url = format!("https://git.example.com/{}", "x".repeat(1000));
        assert_eq!(url.len(), bounds::URL);
        let key = "x".repeat(bounds::KEY);
        let git = json!({"url": url, "revision": "r".repeat(bounds::REVISION), "secret": key});
        document["defaults"]["source"] = json!({"git": git});
        document["version"] = json!(format!("1.0.0-{}", "x".repeat(bounds::TAG - 6)));
        let rest = document.to_string().len();
        let container = &mut document["components"][0]["containers"][0];
        container["template"] = json!({"x": "x".repeat(bounds::DOCUMENT_BYTES - rest - 100)});
        let handle = start(&client, BuildApp::run, &queue, &queue, document).await;
        assert_eq!(end(&handle).await.output().images.len(), 4);
    })
    .await;
}
