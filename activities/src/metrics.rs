//! The metrics of this process, for Prometheus, in the meter of the SDK.
//!
//! All names start with `kiln_`, times are in seconds and sizes in bytes. No label has a value that a
//! user can choose. The meter appends `_total` to a counter and `_seconds` to a time. A step that ran
//! twice is counted twice; [`ended`] counts each build once.

pub mod ended;
pub mod waiting;

use std::{
    sync::{Arc, LazyLock, OnceLock},
    time::Duration,
};

use kilnworks_workflows::{failure::FailureType, steps::SweepReport};
use strum::VariantArray;
use temporalio_common::telemetry::metrics::{
    CoreMeter, Counter, Gauge, GaugeF64, HistogramDuration, MetricAttributes, MetricKeyValue,
    MetricParameters, NewAttributes, NoOpCoreMeter,
};

use self::waiting::Launches;

/// Upper bounds of the buckets of [`PHASE`], in seconds: from a cached step to a very long build.
pub const PHASE_BUCKETS: [f64; 14] =
    [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];

/// Name of the times of a build's phases, before its unit.
pub const PHASE: &str = "kiln_build_phase_duration";

/// The phases of a build. Pushing is the end of building, by the executor's own log.
pub const PHASES: [&str; 5] = ["queued", "scheduling", "pulling", "building", "pushing"];

/// The steps that reach something which may be away.
const STEPS: [&str; 15] = [
    "check_version",
    "compare",
    "find_images",
    "fetch_source",
    "render",
    "find_image",
    "upload",
    "launch",
    "await_build",
    "index",
    "tag",
    "resolve_image",
    "deliver",
    "clean_up",
    "sweep",
];

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// Sets the meter. Called once, before the first step.
pub fn count_into(meter: Arc<dyn CoreMeter>) {
    let _ = METRICS.set(Metrics::of(meter));
}

/// The metrics of this process. Without a meter they count nothing.
pub fn metrics() -> &'static Metrics {
    static NOWHERE: LazyLock<Metrics> = LazyLock::new(|| Metrics::of(Arc::new(NoOpCoreMeter)));
    METRICS.get().unwrap_or(&NOWHERE)
}

/// Names and values of labels.
type Labels<'a> = [(&'static str, &'a str)];

/// Everything that is counted.
pub struct Metrics {
    meter: Arc<dyn CoreMeter>,
    builds: Counter,
    attempts: Counter,
    phases: HistogramDuration,
    retries: Counter,
    contexts: Counter,
    context_bytes: Counter,
    mirror_lookups: Counter,
    swept: Counter,
    swept_bytes: Counter,
    sweeps: Counter,
    sweep_interval: Gauge,
    watch_interruptions: Counter,
    pods: Gauge,
    pods_limit: Gauge,
    backlog: GaugeF64,
    backlog_age: GaugeF64,
    launches: Launches,
    launches_waiting: Gauge,
    launches_waiting_age: Gauge,
    ready: Gauge,
    info: Gauge,
}

impl Metrics {
    fn of(meter: Arc<dyn CoreMeter>) -> Self {
        let named = |name: &'static str, description: &'static str| {
            MetricParameters::builder().name(name).description(description).build()
        };
        let counter = |name, description| meter.counter(named(name, description));
        let gauge = |name, description| meter.gauge(named(name, description));
        let measured = |name, description| meter.gauge_f64(named(name, description));
        let metrics = Self {
            builds: counter("kiln_builds", "Builds that ended."),
            attempts: counter("kiln_build_attempts", "Build Pods that ended or were given up."),
            phases: meter.histogram_duration(named(PHASE, "How long a build was in a phase.")),
            retries: counter("kiln_step_retries", "Failures of a step that the engine runs again."),
            contexts: counter("kiln_contexts", "Contexts that were sent, or spared."),
            context_bytes: counter("kiln_context_bytes", "Their packed size."),
            mirror_lookups: counter("kiln_mirror_lookups", "Commits that were looked for here."),
            swept: counter("kiln_swept", "What sweeps removed."),
            swept_bytes: counter("kiln_swept_bytes", "Size of what sweeps removed of the store."),
            sweeps: counter("kiln_sweeps", "Sweeps that reached their end."),
            sweep_interval: gauge("kiln_sweep_interval_seconds", "Wanted between two sweeps."),
            watch_interruptions: counter(
                "kiln_watch_interruptions",
                "Errors of the watch over the Pods.",
            ),
            pods: gauge("kiln_build_pods", "Build Pods of the installation that are unfinished."),
            pods_limit: gauge("kiln_build_pods_limit", "How many of them there may be."),
            backlog: measured("kiln_queue_backlog", "Tasks that wait in the engine for a worker."),
            backlog_age: measured("kiln_queue_backlog_age_seconds", "Age of the oldest of them."),
            launches: Launches::default(),
            launches_waiting: gauge("kiln_launches_waiting", "Launches that wait for room."),
            launches_waiting_age: gauge("kiln_launches_waiting_age_seconds", "Age of the oldest."),
            ready: gauge("kiln_ready", "Whether a check of /readyz is passed."),
            info: gauge("kiln_worker_info", "Always 1: tells the version."),
            meter,
        };
        metrics.begin();
        metrics
    }

    /// Creates the known series with the value 0, because `rate()` does not see the first event of a
    /// new series.
    fn begin(&self) {
        for workflow in ended::WORKFLOWS {
            for outcome in ["succeeded", "cancelled"] {
                self.builds(0, workflow, outcome, "");
            }
            for kind in FailureType::VARIANTS {
                self.builds(0, workflow, "failed", &kind.name());
            }
        }
        self.builds(0, "BuildContainer", "reused", "");
        self.builds(0, "BuildApp", "unchanged", "");
        self.builds(0, "BuildComponent", "unchanged", "");
        for kind in FailureType::VARIANTS.iter().filter(|kind| kind.new_attempt_mends()) {
            self.attempts(0, Some(*kind));
        }
        self.attempts(0, None);
        for step in STEPS {
            for kind in FailureType::VARIANTS.iter().filter(|kind| kind.waiting_mends()) {
                self.retries(0, step, *kind);
            }
        }
        for choice in [true, false] {
            self.context(0, 0, choice);
            self.lookups(0, choice);
        }
        self.sweeps(0, &SweepReport::default());
        self.add(&self.watch_interruptions, 0, &[]);
        self.waiting();
    }

    fn builds(&self, count: u64, workflow: &str, outcome: &str, kind: &str) {
        let labels = [("workflow", workflow), ("outcome", outcome), ("type", kind)];
        self.add(&self.builds, count, &labels);
    }

    /// Counts images that a parent found: their containers have no workflow whose end is counted.
    pub fn found(&self, images: usize) {
        self.builds(images as u64, "BuildContainer", "reused", "");
    }

    /// Counts Pods that ended or were given up: with an image, or by a failure.
    pub fn attempts(&self, count: u64, failure: Option<FailureType>) {
        let outcome = if failure.is_some() { "failed" } else { "succeeded" };
        let kind = failure.map(FailureType::name).unwrap_or_default();
        self.add(&self.attempts, count, &[("outcome", outcome), ("type", &kind)]);
    }

    fn context(&self, count: u64, bytes: u64, sent: bool) {
        let labels = [("result", if sent { "sent" } else { "spared" })];
        self.add(&self.contexts, count, &labels);
        self.add(&self.context_bytes, bytes, &labels);
    }

    /// A context was there already.
    pub fn context_found(&self, bytes: u64) {
        self.context(1, bytes, false);
    }

    /// A context was put into the store: so many bytes were sent, and the store copied the others.
    pub fn context_put(&self, sent: u64, copied: u64) {
        self.context(1, sent, true);
        self.context(0, copied, false);
    }

    /// Counts commits that were in their mirror, or had to be fetched.
    pub fn lookups(&self, count: u64, hit: bool) {
        let result = if hit { "hit" } else { "miss" };
        self.add(&self.mirror_lookups, count, &[("result", result)]);
    }

    /// A build was in one of [`PHASES`] for so long.
    pub fn phase(&self, phase: &'static str, time: Duration) {
        self.phases.record(time, &self.labels(&[("phase", phase)]));
    }

    /// Counts failures of a step that the engine retries.
    pub fn retries(&self, count: u64, step: &str, kind: FailureType) {
        self.add(&self.retries, count, &[("step", step), ("type", &kind.name())]);
    }

    /// How often a sweep is wanted; none where nothing starts them.
    pub fn sweeps_every(&self, every: Option<Duration>) {
        self.set(&self.sweep_interval, every.unwrap_or_default().as_secs(), &[]);
    }

    /// Counts sweeps that reached their end, and what they deleted.
    pub fn sweeps(&self, count: u64, report: &SweepReport) {
        self.add(&self.sweeps, count, &[]);
        let counts = [
            ("object", report.objects.count),
            ("context", report.contexts.count),
            ("log", report.logs.count),
            ("upload", report.unfinished_uploads),
        ];
        for (kind, count) in counts {
            self.add(&self.swept, count, &[("kind", kind)]);
        }
        for (kind, amount) in [("context", report.contexts), ("log", report.logs)] {
            self.add(&self.swept_bytes, amount.bytes, &[("kind", kind)]);
        }
    }

    /// The watch over the Pods had an error.
    pub fn watch_interrupted(&self) {
        self.add(&self.watch_interruptions, 1, &[]);
    }

    /// How many build Pods are unfinished, and how many may be.
    pub fn pods(&self, unfinished: usize, limit: u32) {
        self.set(&self.pods, unfinished as u64, &[]);
        self.set(&self.pods_limit, limit.into(), &[]);
    }

    /// The backlog of a task queue: the number of tasks of a kind, and the age of the oldest in
    /// seconds. Without a measurement the gauges are NaN, because the last values may be wrong now.
    pub fn backlog(&self, queue: &str, kind: &'static str, found: Option<(u64, u64)>) {
        let labels = self.labels(&[("queue", queue), ("kind", kind)]);
        let number = |number: Option<u64>| number.map_or(f64::NAN, |number| number as f64);
        self.backlog.record(number(found.map(|(count, _)| count)), &labels);
        self.backlog_age.record(number(found.map(|(_, seconds)| seconds)), &labels);
    }

    /// Whether a check is passed.
    pub fn ready(&self, check: &'static str, is_passed: bool) {
        self.set(&self.ready, is_passed.into(), &[("check", check)]);
    }

    /// Which version this is.
    pub fn version(&self, version: &str) {
        self.set(&self.info, 1, &[("version", version)]);
    }

    fn add(&self, counter: &Counter, value: u64, labels: &Labels<'_>) {
        counter.add(value, &self.labels(labels));
    }

    fn set(&self, gauge: &Gauge, value: u64, labels: &Labels<'_>) {
        gauge.record(value, &self.labels(labels));
    }

    fn labels(&self, labels: &Labels<'_>) -> MetricAttributes {
        let labels =
            labels.iter().map(|(name, value)| MetricKeyValue::new(*name, value.to_string()));
        self.meter.new_attributes(NewAttributes::from(labels.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests;
