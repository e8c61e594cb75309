//! The metrics of the worker.
//!
//! Kilnworks and the SDK use one meter. The SDK serves its metrics on a loopback port, and
//! [`super::listen`] forwards them.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use anyhow::Context;
use kilnworks_activities::metrics;
use temporalio_common::telemetry::{
    HistogramBucketOverrides, PrometheusExporterOptions, TelemetryOptions,
    metrics::{CoreMeter, TemporalMeter},
    start_prometheus_metric_exporter, telemetry_init,
};
use temporalio_sdk::runtime::RuntimeOptions;

/// Bucket bounds for the time of a step, in seconds. The defaults of the SDK end at one minute.
const STEP_BUCKETS: [f64; 11] =
    [0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 7200.0];

/// The meter, and the address of its metrics.
pub(crate) struct Telemetry {
    /// Address on which the SDK serves the metrics.
    pub(crate) page: SocketAddr,
    meter: Arc<dyn CoreMeter>,
}

impl Telemetry {
    /// Starts the meter. Must be called once, before the first metric.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let options = PrometheusExporterOptions::builder()
            .socket_addr(SocketAddr::from(([127, 0, 0, 1], 0)))
            .counters_total_suffix(true)
            .unit_suffix(true)
            .use_seconds_for_durations(true)
            .histogram_bucket_overrides(buckets())
            .build();
        let started = start_prometheus_metric_exporter(options);
        let started = started.context("cannot start the metrics: loopback has no free port")?;
        let meter: Arc<dyn CoreMeter> = started.meter;
        metrics::count_into(meter.clone());
        metrics::metrics().version(env!("CARGO_PKG_VERSION"));
        Ok(Self { page: started.bound_addr, meter })
    }

    /// Options for a runtime that uses this meter.
    pub(crate) fn runtime(&self) -> anyhow::Result<RuntimeOptions> {
        let options = RuntimeOptions::builder().telemetry_options(self.options()).build();
        options.map_err(anyhow::Error::msg)
    }

    /// The meter for the connection to the engine.
    pub(crate) fn of_connection(&self) -> anyhow::Result<Option<TemporalMeter>> {
        Ok(telemetry_init(self.options())?.get_temporal_metric_meter())
    }

    fn options(&self) -> TelemetryOptions {
        // The service name would be the SDK's.
        TelemetryOptions::builder().metrics(self.meter.clone()).attach_service_name(false).build()
    }
}

fn buckets() -> HistogramBucketOverrides {
    let overrides = [
        (metrics::PHASE, metrics::PHASE_BUCKETS.as_slice()),
        ("activity_execution_latency", &STEP_BUCKETS),
        ("activity_succeed_endtoend_latency", &STEP_BUCKETS),
    ];
    let overrides = overrides.map(|(name, bounds)| (name.to_owned(), bounds.to_vec()));
    HistogramBucketOverrides { overrides: HashMap::from(overrides) }
}

#[cfg(test)]
mod tests;
