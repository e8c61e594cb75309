//! Every recorded history replays on the current workflows, with and without traces and metrics. A
//! replay counts no build again.

use kilnworks_activities::metrics;
use kilnworks_workflows::{BuildApp, BuildComponent, BuildContainer, ReserveVersion, Sweep};
use temporalio_client::WorkflowHistory;
use temporalio_common::telemetry::{PrometheusExporterOptions, start_prometheus_metric_exporter};
use temporalio_sdk::{
    opentelemetry::OpenTelemetryPlugin,
    workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_history_replays() {
    replay(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_traces_and_metrics_replays_them_and_counts_no_build() {
    let address = "127.0.0.1:0".parse().expect("an address");
    let exporter = PrometheusExporterOptions::builder().socket_addr(address).build();
    let started = start_prometheus_metric_exporter(exporter).expect("a meter");
    metrics::count_into(started.meter);
    replay(true).await;
    let page = reqwest::get(format!("http://{}/metrics", started.bound_addr)).await;
    let page = page.expect("it answers").text().await.expect("text");
    let builds: Vec<&str> = page.lines().filter(|line| line.starts_with("kiln_builds{")).collect();
    assert!(builds.len() > 50, "{page}");
    assert!(builds.iter().all(|line| line.ends_with(" 0")), "{builds:#?}");
}

async fn replay(with_telemetry: bool) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/histories");
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).expect("the histories") {
        let path = entry.expect("a history").path();
        let history = std::fs::read(&path).expect("a history");
        let history = WorkflowHistory::from_json(&history).expect("a history of this SDK");
        if let Err(error) = replayer(with_telemetry).replay_workflow(history).await {
            panic!("{}: {error}", path.display());
        }
        replayed += 1;
    }
    assert!(replayed >= 15, "only {replayed} histories");
}

fn replayer(with_telemetry: bool) -> WorkflowReplayer {
    let mut options = WorkflowReplayerOptions::new()
        .task_queue("kiln")
        .register_workflow::<BuildApp>()
        .and_then(|options| options.register_workflow::<BuildComponent>())
        .and_then(|options| options.register_workflow::<BuildContainer>())
        .and_then(|options| options.register_workflow::<ReserveVersion>())
        .and_then(|options| options.register_workflow::<Sweep>())
        .expect("the workflows register");
    if with_telemetry {
        options = options
            .worker_plugin(OpenTelemetryPlugin::builder().build())
            .workflow_interceptor(metrics::ended::counting());
    }
    WorkflowReplayer::new(options.build()).expect("a replayer")
}
