//! What will be done: every setting with its default filled in and every fault found.

mod layers;
pub(crate) mod lower;

use std::{net::SocketAddr, time::Duration};

use clap::ValueEnum;
use kilnworks_activities::settings::{
    ClusterSettings, Delivery, LauncherKind, Settings, StoreSettings, SweepSettings, VolumeMount,
};
use kilnworks_activities::store::retention::{SHORTEST_OF_CONTEXTS, SHORTEST_OF_LOGS};
use url::Url;

pub(crate) use layers::Values;

use crate::{
    end::Error,
    schedule::Sweeping,
    settings::lower::Lowering,
    units,
    version::{self, Version},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Settings that every command has.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// Task queue of the workflows, and prefix of the other three.
    pub(crate) task_queue: String,
    /// Address of the Temporal UI.
    pub(crate) temporal_ui: Option<Url>,
    /// What is logged, and how.
    pub(crate) log: Log,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    /// A filter of `tracing`; none is the command's default.
    pub(crate) filter: Option<String>,
    /// Its form.
    pub(crate) format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Settings of an installation, as far as a worker has them.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    /// What the steps are told.
    pub(crate) steps: Settings,
    /// How long running steps have to end when the worker is asked to stop.
    pub(crate) grace: Duration,
    /// Where the worker answers for itself; none where it does not.
    pub(crate) listen: Option<SocketAddr>,
    /// What starts sweeps.
    pub(crate) sweeping: Sweeping,
    /// The version that the engine knows this worker by; none where versioning is off.
    pub(crate) version: Option<Version>,
}

/// The settings that every command has.
pub(crate) fn common(values: &Values) -> Result<Common, Error> {
    let mut lowering = Lowering::of(values);
    let common = lower_common(&mut lowering);
    lowering.or(common)
}

/// The form of the log, of settings that may be wrong.
pub(crate) fn log_format(values: &Values) -> LogFormat {
    lower_log_format(&mut Lowering::of(values))
}

/// The settings of an installation. The faults of the common ones come in the same message.
pub(crate) fn installation(values: &Values) -> Result<Installation, Error> {
    let mut lowering = Lowering::of(values);
    let common = lower_common(&mut lowering);
    let steps = lower_steps(&mut lowering);
    let installation = Installation {
        grace: lowering.time("grace", "20s", Duration::ZERO..=units::HOUR),
        listen: lowering.socket("listen"),
        sweeping: lower_sweeping(&mut lowering, common.task_queue, steps.install.clone()),
        version: version::lower(&mut lowering, &steps.install),
        steps,
    };
    lowering.or(installation)
}

/// What starts sweeps, which needs no more of an installation than its name.
pub(crate) fn sweeping(values: &Values) -> Result<Sweeping, Error> {
    let mut lowering = Lowering::of(values);
    let common = lower_common(&mut lowering);
    let install = lowering.name("install", "kiln");
    let sweeping = lower_sweeping(&mut lowering, common.task_queue, install);
    lowering.or(sweeping)
}

fn lower_sweeping(lowering: &mut Lowering<'_>, queue: String, install: String) -> Sweeping {
    let every = lowering.time_or_never("sweep-every", "1h", MINUTE..=30 * units::DAY);
    Sweeping { install, queue, every }
}

fn lower_common(lowering: &mut Lowering<'_>) -> Common {
    let filter = lowering.text("log");
    lowering.check("log", "a filter such as `info,kilnworks=debug`", |given| {
        crate::tracing_setup::filter(given).is_ok()
    });
    Common {
        task_queue: lowering.name("task-queue", "kiln"),
        temporal_ui: lowering.url("temporal-ui"),
        log: Log { filter, format: lower_log_format(lowering) },
    }
}

fn lower_log_format(lowering: &mut Lowering<'_>) -> LogFormat {
    lowering.choice("log-format", LogFormat::Text, LogFormat::value_variants())
}

fn lower_steps(lowering: &mut Lowering<'_>) -> Settings {
    Settings {
        install: lowering.name("install", "kiln"),
        store: lower_store(lowering),
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

/// What lies in the store is kept for longer than a build may take, or a sweep would take it from
/// one that runs.
fn lower_sweep(lowering: &mut Lowering<'_>) -> SweepSettings {
    const LONGEST: Duration = Duration::from_secs(3650 * units::DAY.as_secs());
    let second = Duration::from_secs(1);
    SweepSettings {
        after: lowering.time("sweep-after", "10min", second..=units::DAY),
        keep_contexts: lowering.time("keep-contexts", "60days", SHORTEST_OF_CONTEXTS..=LONGEST),
        keep_logs: lowering.time("keep-logs", "60days", SHORTEST_OF_LOGS..=LONGEST),
    }
}

/// Less than this leaves nothing of a log worth reading.
fn lower_log_bytes(lowering: &mut Lowering<'_>) -> u64 {
    let (name, least) = ("logs-max-bytes", 1024 * 1024);
    lowering.check(name, "a size of `1MiB` or more", |given| {
        units::parse_bytes(given).is_none_or(|bytes| bytes >= least)
    });
    lowering.bytes(name, "64MiB")
}

fn lower_cluster(lowering: &mut Lowering<'_>) -> ClusterSettings {
    const EXECUTOR: &str = "ghcr.io/osscontainertools/kaniko:v1.28.3";
    check_image(lowering, "executor-image", EXECUTOR);
    let image = lowering.text("executor-image");
    ClusterSettings {
        namespace: lowering.name("namespace", "kiln-builds"),
        executor_image: image.unwrap_or_else(|| EXECUTOR.to_owned()),
        launcher: match lowering.choice("launcher", Launcher::Pod, Launcher::value_variants()) {
            Launcher::Pod => LauncherKind::Pod,
            Launcher::Job => LauncherKind::Job,
        },
        max_builds: lowering.number("max-builds", 10, 1..=10_000),
        pod_template: lowering.path("pod-template"),
    }
}

fn check_image(lowering: &mut Lowering<'_>, name: &str, such_as: &str) {
    let accepted = format!("an image with its registry, such as `{such_as}`");
    lowering.check(name, &accepted, |image| {
        image.contains('/') && !image.contains(char::is_whitespace)
    });
}

fn lower_store(lowering: &mut Lowering<'_>) -> StoreSettings {
    match lowering.choice("store", Store::S3, Store::value_variants()) {
        Store::S3 => StoreSettings::S3 {
            bucket: lowering.needed("s3-bucket", "the name of a bucket, as the store is `s3`"),
            endpoint: lowering.url("s3-endpoint").map(without_slash),
            secret: lowering.text("s3-secret"),
            region: lowering.text("aws-region"),
            delivery: lower_delivery(lowering),
        },
        Store::Volume => {
            // It shows a build its own context alone as it is.
            let accepted = "`direct`, as the store is `volume`";
            lowering.check("context-delivery", accepted, |given| given == "direct");
            lower_volume(lowering)
        }
    }
}

fn lower_delivery(lowering: &mut Lowering<'_>) -> Delivery {
    let way = lowering.choice("context-delivery", Way::Direct, Way::value_variants());
    match way {
        Way::Direct => Delivery::Direct,
        Way::Presigned => {
            let name = "fetch-image";
            check_image(lowering, name, "registry.example.com/kiln:1.0.0");
            let accepted = "an image of kiln, as contexts are delivered `presigned`";
            Delivery::Presigned(lowering.needed(name, accepted))
        }
    }
}

fn lower_volume(lowering: &mut Lowering<'_>) -> StoreSettings {
    StoreSettings::Volume {
        dir: lowering
            .needed("volume-dir", "where this worker sees the volume, as the store is `volume`")
            .into(),
        mount: lower_mount(lowering),
    }
}

fn lower_mount(lowering: &mut Lowering<'_>) -> VolumeMount {
    let one = lowering.exactly_one("volume-claim", "volume-host-path");
    match one {
        ("volume-claim", claim) => VolumeMount::Claim(claim),
        (_, path) => VolumeMount::HostPath(path.into()),
    }
}

/// A server's address, as the S3 client wants it: `Url` puts a slash behind a bare host.
fn without_slash(url: Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[derive(Clone, Copy, ValueEnum)]
enum Store {
    S3,
    Volume,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    Direct,
    Presigned,
}

#[derive(Clone, Copy, ValueEnum)]
enum Launcher {
    Pod,
    Job,
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
