//! What a worker on the real stack reports of itself: metrics, health, traces, logs.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::Duration,
};

use kilnworks_tests::{
    engine::{client, end, eventually, variable},
    stack::{PATIENCE, Worker, publish, run, spec, start, unique},
    telemetry::{Collector, Span, address, alerts, dashboard, named, page, scrape, value},
    wire::{Mode, Wire},
};
use kilnworks_workflows::{BuildApp, build::raw};
use serde_json::{Value, json};
use temporalio_client::{Client, WorkflowStartOptions};
use temporalio_common::protos::temporal::api::common::v1::{Header, Payload};

const LISTEN: (&str, &str) = ("KILN_LISTEN", "127.0.0.1:0");

/// A spec of one small container.
fn small(app: &str) -> Value {
    let dockerfile = "FROM scratch\nCOPY . /\n";
    let url = publish(app, &[("Dockerfile", dockerfile), ("text", app)]);
    spec(app, &url, json!([{"name": "server"}]))
}

async fn succeeds(client: &Client, id: &str) {
    let handle = client.get_workflow_handle::<BuildApp>(id);
    tokio::time::timeout(PATIENCE, end(&handle)).await.expect("it ends in its time").output();
}

fn builds(scraped: &BTreeMap<String, f64>, workflow: &str, outcome: &str) -> f64 {
    let series =
        format!("kiln_builds_total{{outcome=\"{outcome}\",type=\"\",workflow=\"{workflow}\"}}");
    *scraped.get(&series).unwrap_or_else(|| panic!("there is no {series}"))
}

fn phase(scraped: &BTreeMap<String, f64>, name: &str) -> f64 {
    let series = format!("kiln_build_phase_duration_seconds_count{{phase=\"{name}\"}}");
    value(scraped, &series)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_is_counted_once_and_every_metric_is_there() {
    let app = unique("counted");
    let worker = Worker::start(&app, &[LISTEN]).await;
    let (client, address) = (client().await, address(&worker).await);
    let document = small(&app);
    start("BuildApp", &app, &app, &document);
    succeeds(&client, &app).await;

    let first = scrape(&address).await;
    for workflow in ["BuildApp", "BuildComponent", "BuildContainer"] {
        assert_eq!(builds(&first, workflow, "succeeded"), 1.0, "{workflow}");
    }
    let attempts = "kiln_build_attempts_total{outcome=\"succeeded\",type=\"\"}";
    assert_eq!(value(&first, attempts), 1.0);
    for name in ["queued", "scheduling", "pulling", "building", "pushing"] {
        assert_eq!(phase(&first, name), 1.0, "{name}");
    }
    let sent = "kiln_context_bytes_total{result=\"sent\"}";
    assert!(value(&first, sent) > 100.0, "a context has some bytes");
    let lookups = |result: &str| format!("kiln_mirror_lookups_total{{result=\"{result}\"}}");
    let (hit, miss) = (lookups("hit"), lookups("miss"));
    assert!(value(&first, &miss) >= 1.0, "it was fetched");

    // Its history is replayed for a question, as it is no longer cached.
    for id in [app.clone(), format!("{app}/web"), format!("{app}/web/server")] {
        let ask = ["workflow", "query", "--type", "progress", "--workflow-id", &id];
        run(Command::new("temporal").args(ask));
    }
    // The same once more: its image and its context are there.
    let again = unique(&app);
    start("BuildApp", &app, &again, &document);
    succeeds(&client, &again).await;
    let second = scrape(&address).await;
    assert_eq!(builds(&second, "BuildApp", "succeeded"), 2.0, "a replay is no build");
    assert_eq!(builds(&second, "BuildContainer", "succeeded"), 1.0, "a replay is no build");
    assert_eq!(builds(&second, "BuildContainer", "reused"), 1.0);
    assert_eq!(phase(&second, "building"), 1.0, "no Pod ran");
    assert_eq!(value(&second, &miss), value(&first, &miss), "its commit is there");
    assert!(value(&second, &hit) > value(&first, &hit), "its commit is found");

    // A build that fails is measured once, too.
    let broken = unique(&app);
    let url = publish(&broken, &[("Dockerfile", "FROM scratch\nCOPY nothing /\n")]);
    start("BuildApp", &app, &broken, &spec(&broken, &url, json!([{"name": "server"}])));
    let handle = client.get_workflow_handle::<BuildApp>(&broken);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await.expect("it ends in its time");
    assert_eq!(ended.failure().0, "BuildFailed");
    let third = scrape(&address).await;
    let failed = "kiln_build_attempts_total{outcome=\"failed\",type=\"BuildFailed\"}";
    assert_eq!(value(&third, failed), 1.0);
    assert_eq!(phase(&third, "building"), 2.0);

    every_metric_is_there(&app, &address).await;
}

/// What the dashboard and the alerts ask for is there, once each thing has happened.
async fn every_metric_is_there(queue: &str, address: &str) {
    // The SDK begins a series with its first event: a workflow that no worker has.
    let id = unique("nonsense");
    start("Nonsense", queue, &id, &json!({}));
    let queries = dashboard().into_iter().chain(alerts().into_iter().map(|(_, query)| query));
    let wanted: BTreeSet<String> = queries.flat_map(|query| named(&query)).collect();
    assert!(wanted.len() > 20, "only {wanted:?}");
    let there = async || {
        let scraped = scrape(address).await;
        let names = scraped.keys().map(|series| series.split('{').next().unwrap_or(series));
        names.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    eventually("the failed workflow task", Duration::from_secs(60), async || {
        there().await.contains("temporal_workflow_task_execution_failed_total").then_some(())
    })
    .await;
    let missing: Vec<_> = wanted.difference(&there().await).cloned().collect();
    assert_eq!(missing, Vec::<String>::new(), "nobody will see what the dashboard asks for");
    run(Command::new("temporal").args(["workflow", "terminate", "--workflow-id", &id]));
    let page = include_str!("../../../docs/operators.md");
    for series in scrape(address).await.keys().filter(|series| series.starts_with("kiln_")) {
        let name = series.split('{').next().unwrap_or(series);
        let name =
            ["_bucket", "_sum", "_count"].iter().fold(name, |it, end| it.trim_end_matches(end));
        assert!(page.contains(&format!("`{name}`")), "docs/operators.md is silent on {name}");
    }
    conventional(address).await;
}

/// Prometheus has nothing to say against our own metrics.
async fn conventional(address: &str) {
    let (_, text) = page(address, "/metrics").await;
    let ours = text.lines().filter(|line| line.starts_with("kiln_") || line.contains(" kiln_"));
    let ours: String = ours.map(|line| format!("{line}\n")).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), ours).expect("the metrics");
    let path = file.path().to_str().expect("a path").to_owned();
    let output = Command::new("sh").args(["-c", "promtool check metrics < \"$0\"", &path]).output();
    let output = output.expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_waits_for_room_is_counted() {
    let app = unique("room");
    let dockerfile = format!("FROM {}\nRUN sleep 600\n", variable("KILN_BASE_IMAGE"));
    let url = publish(&app, &[("Dockerfile", dockerfile.as_str())]);
    let worker = Worker::start(&app, &[LISTEN, ("KILN_MAX_BUILDS", "1")]).await;
    let address = address(&worker).await;
    // An equal container would wait for the Pod of the first one.
    let containers = json!([{"name": "one"}, {"name": "two", "labels": {"two": "true"}}]);
    start("BuildApp", &app, &app, &spec(&app, &url, containers));
    let shows = async |pods: f64, waiting: f64| {
        let what = format!("{pods} Pods, and {waiting} that wait");
        eventually(&what, PATIENCE, async || {
            let scraped = scrape(&address).await;
            let all = [
                ("kiln_build_pods", pods),
                ("kiln_build_pods_limit", 1.0),
                ("kiln_launches_waiting", waiting),
            ];
            all.iter().all(|(name, count)| scraped.get(*name) == Some(count)).then_some(())
        })
        .await;
    };
    shows(1.0, 1.0).await;
    let age = "kiln_launches_waiting_age_seconds";
    eventually("it to grow older", Duration::from_secs(30), async || {
        (value(&scrape(&address).await, age) >= 2.0).then_some(())
    })
    .await;
    run(Command::new("temporal").args(["workflow", "cancel", "--workflow-id", &app]));
    shows(0.0, 0.0).await;
    assert_eq!(scrape(&address).await.get(age), Some(&0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_run_again_is_counted() {
    let app = unique("again");
    let worker = Worker::start(&app, &[LISTEN]).await;
    let address = address(&worker).await;
    let nobody = "http://127.0.0.1:1/away.git";
    start("BuildApp", &app, &app, &spec(&app, nobody, json!([{"name": "server"}])));
    let retries = "kiln_step_retries_total{step=\"fetch_source\",type=\"SourceUnavailable\"}";
    eventually("two runs that failed", Duration::from_secs(60), async || {
        (value(&scrape(&address).await, retries) >= 2.0).then_some(())
    })
    .await;
    run(Command::new("temporal").args(["workflow", "terminate", "--workflow-id", &app]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_not_ready_while_a_neighbour_is_away() {
    let queue = unique("ready");
    let engine = Wire::to(&variable("TEMPORAL_ADDRESS")).await;
    let settings = [LISTEN, ("TEMPORAL_ADDRESS", &engine.address())];
    let worker = Worker::start(&queue, &settings).await;
    let address = address(&worker).await;
    let ready = async |status: u16, says: &str| {
        eventually(&format!("{status}: {says}"), Duration::from_secs(60), async || {
            let (found, said) = page(&address, "/readyz").await;
            (found == status && said.contains(says)).then_some(())
        })
        .await;
    };
    ready(200, "engine: ok\ncluster: ok\nwatch: ok\nrights: ok\n").await;
    let waits = "kiln_queue_backlog_age_seconds{kind=\"workflow\",queue=\"main\"}";
    let measured = async |is_number: bool| {
        eventually(&format!("a number: {is_number}"), Duration::from_secs(60), async || {
            let age = *scrape(&address).await.get(waits)?;
            (age.is_nan() != is_number).then_some(())
        })
        .await;
    };
    measured(true).await;
    engine.set(Mode::Refuse);
    engine.cut();
    ready(503, "cluster: ok\n").await;
    let (_, said) = page(&address, "/readyz").await;
    assert!(said.contains(&engine.address()), "it says where: {said}");
    let gauge = "kiln_ready{check=\"engine\"}";
    assert_eq!(scrape(&address).await.get(gauge), Some(&0.0));
    measured(false).await;
    assert_eq!(page(&address, "/healthz").await, (200, "ok\n".to_owned()), "it lives");
    engine.set(Mode::Forward);
    ready(200, "engine: ok\n").await;
    measured(true).await;
    assert_eq!(page(&address, "/elsewhere").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_an_engine_lives_and_is_not_ready() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let mut process = Command::new(kilnworks_tests::stack::kiln())
        .arg("worker")
        .envs([("TEMPORAL_ADDRESS", "127.0.0.1:1"), ("KILN_LISTEN", &address)])
        .stdout(log.reopen().expect("the file"))
        .stderr(log.reopen().expect("the file"))
        .spawn()
        .expect("kiln starts");
    eventually("it to answer", Duration::from_secs(20), async || {
        reqwest::get(format!("http://{address}/healthz")).await.ok()
    })
    .await;
    assert_eq!(page(&address, "/healthz").await.0, 200);
    let (status, said) = page(&address, "/readyz").await;
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("engine: the worker has just started"), "{said}");
    process.kill().expect("it is ours");
    process.wait().expect("it ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_for_operators_work() {
    let page = include_str!("../../../docs/operators.md");
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let commands: Vec<&str> = block.expect("a block of commands").lines().collect();
    assert!(commands.len() >= 5, "{commands:?}");
    let worker = Worker::start(&unique("operated"), &[LISTEN]).await;
    let address = address(&worker).await;
    eventually("the worker to be ready", Duration::from_secs(30), async || {
        (kilnworks_tests::telemetry::page(&address, "/readyz").await.0 == 200).then_some(())
    })
    .await;
    for command in commands {
        let command = command.replace("127.0.0.1:9464", &address);
        let command = command.replace("kiln-builds", &variable("KILN_NAMESPACE"));
        run(&mut worker.shell(&command));
    }
}

#[test]
fn a_wrong_telemetry_setting_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).expect("a port");
    for (name, given, says) in [
        ("KILN_LISTEN", taken.1.as_str(), "(KILN_LISTEN): Address already in use"),
        ("KILN_LISTEN", "9464", "`listen`: `9464` (KILN_LISTEN); accepted is an IP address"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "OTEL_EXPORTER_OTLP_ENDPOINT: `collector`"),
    ] {
        let kiln = kilnworks_tests::stack::kiln();
        let output = Command::new(&kiln).arg("worker").env(name, given).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");

        let mut command = Command::new(kiln);
        let output = command.arg("worker").env(name, given).env("KILN_LOG_FORMAT", "json").output();
        let output = output.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().expect("it says why");
        let event: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!(event["level"], "ERROR", "{said}");
        assert!(event["message"].as_str().is_some_and(|it| it.contains(says)), "{said}");
        assert!(
            said.lines().all(|line| line.starts_with('{')) && output.stdout.is_empty(),
            "{said}"
        );
    }
}

/// The settings of a worker whose traces go to a collector.
fn traced(collector: &Collector) -> [(&str, &str); 4] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("KILN_LOG_FORMAT", "json"),
        LISTEN,
    ]
}

/// The spans of the trace in which a build's workflow ran, once that has ended.
async fn trace(collector: &Collector, id: &str) -> Vec<Span> {
    let whose = |span: &Span| span.attributes.get("temporalWorkflowID").cloned();
    let trace = eventually("the end of the trace", Duration::from_secs(30), async || {
        let spans = collector.spans();
        let mut first = spans.into_iter().filter(|span| span.name == "RunWorkflow:BuildApp");
        first.find(|span| whose(span).as_deref() == Some(id)).map(|span| span.trace)
    })
    .await;
    let spans = collector.spans();
    for span in &spans {
        if whose(span).is_some_and(|its| its == id || its.starts_with(&format!("{id}/"))) {
            assert_eq!(span.trace, trace, "one trace per build: {span:?}");
        }
    }
    spans.into_iter().filter(|span| span.trace == trace).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_build_is_one_trace_and_its_log_says_whose_it_is() {
    let (app, collector) = (unique("traced"), Collector::start().await);
    let worker = Worker::start(&app, &traced(&collector)).await;
    let client = client().await;
    let document = small(&app);
    start("BuildApp", &app, &app, &document);
    succeeds(&client, &app).await;
    let ask = ["workflow", "query", "--type", "progress", "--workflow-id", &app];
    run(Command::new("temporal").args(ask));

    let spans = trace(&collector, &app).await;
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for name in [
        "RunWorkflow:BuildApp",
        "StartChildWorkflow:BuildComponent",
        "RunWorkflow:BuildContainer",
        "RunActivity:split",
        "RunActivity:fetch_source",
        "RunActivity:find_images",
        "RunActivity:render",
        "RunActivity:find_image",
        "RunActivity:upload",
        "RunActivity:launch",
        "RunActivity:await_build",
        "RunActivity:tag",
        "RunActivity:clean_up",
        "RunActivity:deliver",
        "Pod:scheduling",
        "Pod:pulling",
        "Pod:building",
        "Pod:pushing",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with("HandleQuery")), "{names:?}");
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let mut roots = spans.iter().filter(|span| !ids.contains(span.parent.as_str()));
    assert_eq!(roots.next().expect("a root").name, "RunWorkflow:BuildApp");
    assert!(roots.next().is_none(), "every other span has its parent in the trace");
    let awaited = spans.iter().find(|span| span.name == "RunActivity:await_build").expect("it");
    assert_eq!(awaited.attributes["kiln.app"], app);
    assert_eq!(awaited.attributes["kiln.container"], "server");
    let building = spans.iter().find(|span| span.name == "Pod:building").expect("it");
    assert!(building.parent == awaited.id && building.seconds < 120.0, "{building:?}");

    the_log_says_whose_it_is(&worker, &app, &spans[0].trace);
    a_callers_trace_goes_on(&client, &collector, &app, &document).await;
}

/// Each line of the log is JSON with the documented fields, and those of a step say of which.
fn the_log_says_whose_it_is(worker: &Worker, app: &str, trace: &str) {
    let log = worker.log();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let lines: Vec<Value> = lines.collect();
    let mut seen = BTreeSet::new();
    for line in &lines {
        for name in ["timestamp", "level", "target", "message"] {
            assert!(line[name].is_string(), "{name} is not in {line}");
        }
        let of_step = line["span"].as_object().filter(|span| span["name"] == "step");
        seen.extend(of_step.into_iter().flat_map(|span| span.keys().cloned()));
    }
    let page = include_str!("../../../docs/operators.md");
    let documented = page.lines().filter_map(|line| line.strip_prefix("| `span."));
    let documented = documented.flat_map(|line| {
        let cell = line.split(" |").next().unwrap_or_default();
        cell.split("`, `span.").map(|name| name.trim_end_matches('`').to_owned())
    });
    assert_eq!(seen, documented.collect(), "docs/operators.md lists the fields of a step");
    let message = |line: &&Value| line["message"] == "uploaded a context";
    let line = lines.iter().find(message).expect("it uploads");
    let span = &line["span"];
    assert_eq!(span["step"], "upload", "{line}");
    assert_eq!(span["workflow_id"], format!("{app}/web/server"), "{line}");
    assert_eq!((&span["app"], &span["container"]), (&json!(app), &json!("server")), "{line}");
    assert_eq!(span["trace_id"], trace, "{line}");
}

/// Who starts a build with a trace of its own, as the SDKs of other languages do, finds it there.
async fn a_callers_trace_goes_on(
    client: &Client,
    collector: &Collector,
    queue: &str,
    document: &Value,
) {
    let id = unique(queue);
    let (trace_id, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let carried = json!({"traceparent": format!("00-{trace_id}-{parent}-01")});
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: carried.to_string().into_bytes(),
        ..Payload::default()
    };
    let header = Header { fields: [("_tracer-data".to_owned(), payload)].into() };
    let options = WorkflowStartOptions::new(queue, &id).header(header).build();
    let started = client.start_workflow(BuildApp::run, raw(document), options).await;
    started.expect("it starts");
    succeeds(client, &id).await;
    let spans = trace(collector, &id).await;
    assert!(spans.iter().all(|span| span.trace == trace_id), "{spans:?}");
    let run = spans.iter().find(|span| span.name == "RunWorkflow:BuildApp").expect("it ran");
    assert_eq!(run.parent, parent);
}
