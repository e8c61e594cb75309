use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use kilnworks_activities::metrics::metrics;
use kilnworks_workflows::{
    failure::FailureType,
    steps::{Amount, SweepReport},
};

use super::Telemetry;

/// The value of each series.
async fn page(telemetry: &Telemetry) -> BTreeMap<String, f64> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let page = client.get(format!("http://{}/metrics", telemetry.page)).send().await;
    let text = page.expect("it answers").text().await.expect("text");
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let series = series.filter_map(|line| line.rsplit_once(' '));
    series.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect()
}

/// Metrics that are hard to provoke on a real cluster. All counters start at zero.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_on_the_page() {
    let telemetry = Telemetry::start().expect("it counts");
    let retries = "kiln_step_retries_total{step=\"index\",type=\"RegistryUnavailable\"}";
    let before = page(&telemetry).await;
    for series in [
        retries,
        "kiln_mirror_lookups_total{result=\"hit\"}",
        "kiln_mirror_lookups_total{result=\"miss\"}",
        "kiln_sweeps_total",
        "kiln_swept_total{kind=\"object\"}",
        "kiln_swept_total{kind=\"upload\"}",
        "kiln_swept_bytes_total{kind=\"log\"}",
        "kiln_watch_interruptions_total",
        "kiln_launches_waiting",
        "kiln_launches_waiting_age_seconds",
    ] {
        assert_eq!(before.get(series), Some(&0.0), "{series}");
    }

    let mut report = SweepReport {
        contexts: Amount { count: 2, bytes: 20 },
        logs: Amount { count: 3, bytes: 30 },
        unfinished_uploads: 4,
        ..SweepReport::default()
    };
    report.objects.count = 5;
    metrics().sweeps(1, &report);
    metrics().retries(1, "index", FailureType::RegistryUnavailable);
    metrics().lookups(2, true);
    metrics().lookups(1, false);
    metrics().watch_interrupted();
    metrics().pods(6, 7);
    metrics().backlog("launch", "activity", Some((8, 9)));
    metrics().backlog("source", "activity", Some((1, 1)));
    metrics().backlog("source", "activity", None);
    metrics().sweeps_every(Some(Duration::from_secs(3600)));
    let waiting = metrics().waits(SystemTime::now() - Duration::from_secs(600));
    let after = page(&telemetry).await;
    for (series, value) in [
        (retries, 1.0),
        ("kiln_mirror_lookups_total{result=\"hit\"}", 2.0),
        ("kiln_mirror_lookups_total{result=\"miss\"}", 1.0),
        ("kiln_sweeps_total", 1.0),
        ("kiln_swept_total{kind=\"object\"}", 5.0),
        ("kiln_swept_total{kind=\"context\"}", 2.0),
        ("kiln_swept_total{kind=\"log\"}", 3.0),
        ("kiln_swept_total{kind=\"upload\"}", 4.0),
        ("kiln_swept_bytes_total{kind=\"context\"}", 20.0),
        ("kiln_swept_bytes_total{kind=\"log\"}", 30.0),
        ("kiln_watch_interruptions_total", 1.0),
        ("kiln_build_pods", 6.0),
        ("kiln_build_pods_limit", 7.0),
        ("kiln_queue_backlog{kind=\"activity\",queue=\"launch\"}", 8.0),
        ("kiln_queue_backlog_age_seconds{kind=\"activity\",queue=\"launch\"}", 9.0),
        ("kiln_sweep_interval_seconds", 3600.0),
        ("kiln_launches_waiting", 1.0),
    ] {
        assert_eq!(after.get(series), Some(&value), "{series}");
    }
    for series in ["kiln_queue_backlog", "kiln_queue_backlog_age_seconds"] {
        let series = format!("{series}{{kind=\"activity\",queue=\"source\"}}");
        assert!(after.get(&series).is_some_and(|value| value.is_nan()), "{series}");
    }
    assert!(after["kiln_launches_waiting_age_seconds"] >= 600.0);
    drop(waiting);
    let left = page(&telemetry).await;
    assert_eq!(left["kiln_launches_waiting"], 0.0);
    assert_eq!(left["kiln_launches_waiting_age_seconds"], 0.0);
}
