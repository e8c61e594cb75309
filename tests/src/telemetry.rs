//! What a worker tells of itself: its pages, and a collector that takes its traces.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, any_value::Value as Any},
    trace::v1::Span as Sent,
};
use prost::Message;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{engine::eventually, stack::Worker};

/// Where a worker answers that was started with `KILN_LISTEN=127.0.0.1:0`.
pub async fn address(worker: &Worker) -> String {
    eventually("the worker to say where it answers", Duration::from_secs(10), async || {
        let log = worker.log();
        let lines = log.lines().filter(|line| line.contains("answers /metrics"));
        let last = lines.last()?;
        let at = last.find("127.0.0.1:")?;
        let port = last[at..].chars().take_while(|c| !matches!(c, '"' | ' ' | ',' | '}'));
        Some(port.collect::<String>())
    })
    .await
}

/// A page of a worker: its status, and what it says.
pub async fn page(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.expect("it answers");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

/// The metrics of a worker: the value of each series, by how the page writes it.
pub async fn scrape(address: &str) -> BTreeMap<String, f64> {
    let (status, text) = page(address, "/metrics").await;
    assert_eq!(status, 200, "{text}");
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let series = series.map(|line| line.rsplit_once(' ').expect("a series and its value"));
    series.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect()
}

/// The value of a series; nothing where there is none.
pub fn value(scraped: &BTreeMap<String, f64>, series: &str) -> f64 {
    scraped.get(series).copied().unwrap_or_default()
}

/// The file of `deploy/monitoring` that has this name.
pub fn monitoring(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring").join(name)
}

/// Runs `promtool` of the stack, and gives what it says where it is content.
pub fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(monitoring(""))
        .output()
        .expect("promtool is there after `make up` and `. .local/env`");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

/// Every query of the dashboard.
pub fn dashboard() -> Vec<String> {
    let text = std::fs::read_to_string(monitoring("dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect()
}

/// Every alert rule: its name, and its query.
pub fn alerts() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(monitoring("alerts.yaml")).expect("the rules");
    let rules: Value = serde_saphyr::from_str(&text).expect("YAML");
    let rules = rules["groups"].as_array().expect("groups").iter();
    let rules = rules.flat_map(|group| group["rules"].as_array().expect("rules"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    rules.map(|rule| (text(&rule["alert"]), text(&rule["expr"]))).collect()
}

/// The metrics that a query names.
pub fn named(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("kiln_") || word.starts_with("temporal_"));
    ours.map(str::to_owned).collect()
}

/// A span, as a collector has it.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty where it is the first one of its trace.
    pub parent: String,
    pub name: String,
    pub seconds: f64,
    pub attributes: BTreeMap<String, String>,
}

impl From<Sent> for Span {
    fn from(sent: Sent) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
            Some(Any::StringValue(text)) => text,
            other => format!("{other:?}"),
        };
        let nanoseconds = sent.end_time_unix_nano - sent.start_time_unix_nano;
        let attributes = sent.attributes.into_iter().map(|it| (it.key, text(it.value)));
        Self {
            trace: hex(&sent.trace_id),
            id: hex(&sent.span_id),
            parent: hex(&sent.parent_span_id),
            name: sent.name,
            seconds: nanoseconds as f64 / 1e9,
            attributes: attributes.collect(),
        }
    }
}

/// A collector of traces, by OTLP over http. It ends with this value.
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to say.
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
    task: JoinHandle<()>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let spans = Arc::default();
        let task = tokio::spawn(collect(listener, Arc::clone(&spans)));
        Self { endpoint, spans, task }
    }

    /// What has come so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("the spans").clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn collect(listener: TcpListener, spans: Arc<Mutex<Vec<Span>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(take(stream, spans.clone()));
    }
}

async fn take(stream: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let spans = spans.clone();
        async move {
            assert_eq!(request.uri().path(), "/v1/traces");
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            let sent = ExportTraceServiceRequest::decode(body).expect("OTLP");
            let scopes = sent.resource_spans.into_iter().flat_map(|it| it.scope_spans);
            let sent = scopes.flat_map(|scope| scope.spans).map(Span::from);
            spans.lock().expect("the spans").extend(sent);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
