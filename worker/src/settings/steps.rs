//! The settings of the steps of a build.

use std::time::Duration;

use clap::ValueEnum;
use kilnworks_activities::{
    settings::{ClusterSettings, LauncherKind, Settings, SweepSettings},
    store::retention::{SHORTEST_OF_CONTEXTS, SHORTEST_OF_LOGS},
};

use super::{layers, lower::Lowering, store};
use crate::output::units;

pub(super) fn lower(lowering: &mut Lowering<'_>) -> Settings {
    Settings {
        install: lowering.name("install", "kiln"),
        store: store::lower(lowering),
        cluster: lower_cluster(lowering),
        cache_dir: lowering.path("cache-dir").unwrap_or_else(layers::default_cache_dir),
        cache_bytes: lowering.bytes("cache-size", "10GiB"),
        log_bytes: lower_log_bytes(lowering),
        heartbeat: lowering
            .time("heartbeat", "60s", Duration::from_secs(1)..=units::HOUR)
            .as_secs(),
        max_attempts: lowering.number("max-attempts", 3, 1..=20),
        sweep: lower_sweep(lowering),
    }
}

/// The store keeps objects for longer than a build may run. Otherwise a sweep could delete the context
/// of a running build.
fn lower_sweep(lowering: &mut Lowering<'_>) -> SweepSettings {
    const LONGEST: Duration = Duration::from_secs(3650 * units::DAY.as_secs());
    let second = Duration::from_secs(1);
    SweepSettings {
        after: lowering.time("sweep-after", "10min", second..=units::DAY),
        keep_contexts: lowering.time("keep-contexts", "60days", SHORTEST_OF_CONTEXTS..=LONGEST),
        keep_logs: lowering.time("keep-logs", "60days", SHORTEST_OF_LOGS..=LONGEST),
    }
}

/// A log below 1 MiB is too short to be useful.
fn lower_log_bytes(lowering: &mut Lowering<'_>) -> u64 {
    let (name, least) = ("logs-max-bytes", 1024 * 1024);
    lowering.check(name, "a size of `1MiB` or more", |given| {
        units::parse_bytes(given).is_none_or(|bytes| bytes >= least)
    });
    lowering.bytes(name, "64MiB")
}

fn lower_cluster(lowering: &mut Lowering<'_>) -> ClusterSettings {
    const EXECUTOR: &str = "ghcr.io/osscontainertools/kaniko:v1.28.3";
    lowering.check_image("executor-image", EXECUTOR);
    let image = lowering.text("executor-image");
    ClusterSettings {
        namespace: lowering.name("namespace", "kiln-builds"),
        executor_image: image.unwrap_or_else(|| EXECUTOR.to_owned()),
        launcher: match lowering.choice("launcher", Launcher::Pod) {
            Launcher::Pod => LauncherKind::Pod,
            Launcher::Job => LauncherKind::Job,
        },
        max_builds: lowering.number("max-builds", 10, 1..=10_000),
        pod_template: lowering.path("pod-template"),
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Launcher {
    Pod,
    Job,
}
