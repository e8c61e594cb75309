//! Running a step: its heartbeats, its span, its typed failure.

use std::time::Duration;

use kilnworks_workflows::{
    build_id::BuildId,
    failure::{Failure, FailureType},
    progress::State,
};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt};
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tracing::{Instrument, field::Empty};

use super::Observer;
use crate::{
    error::{Ended, failure_of, is_final},
    fault,
    metrics::metrics,
    secrets::redact,
};

/// Runs a step of a build to its end. Heartbeats report what the build waits for. A cancellation drops
/// the step, and the workflow cleans up: a user's cancel and a shutdown of this worker look alike here.
///
/// `state` is the state that is reported while a failed step waits to be retried.
pub async fn watched<T>(
    ctx: &ActivityContext,
    observer: &Observer,
    state: State,
    step: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, ActivityError> {
    // Boxed, because each layer around a large step would contain it twice.
    let step = Box::pin(step);
    let mut step = Box::pin(plain(ctx, observer.id(), reporting(ctx, observer, state, step)));
    // An unset timeout arrives as zero.
    let timeout = ctx.info().heartbeat_timeout.filter(|time| !time.is_zero());
    let pause = timeout.unwrap_or(Duration::from_secs(60)) / 4;
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
    loop {
        tokio::select! {
            outcome = &mut step => return outcome,
            () = ctx.cancelled() => return Err(ActivityError::cancelled()),
            _ = beat.tick() => observer.beat().await,
        }
    }
}

/// Runs a step to its end without heartbeats. Every line that it logs contains the names of its build.
pub async fn plain<T>(
    ctx: &ActivityContext,
    id: &BuildId,
    step: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, ActivityError> {
    let name = &ctx.info().activity_type;
    let span = span(ctx, id);
    let step = fault::around(name, Box::pin(step));
    step.instrument(span.clone()).await.map_err(|error| {
        if !is_final(&error) {
            let kind = failure_of(&error).map_or(FailureType::Internal, |failure| failure.kind);
            metrics().retries(1, name, kind);
        }
        span.in_scope(|| to_engine(error))
    })
}

/// The fields of each line of the worker's log. Their names are documented.
fn span(ctx: &ActivityContext, id: &BuildId) -> tracing::Span {
    let info = ctx.info();
    let context = Context::current();
    let trace = context.span().span_context().clone();
    // No log filter drops a span of this level.
    let span = tracing::error_span!(
        "step",
        step = info.activity_type,
        run = info.attempt,
        workflow_id = info.workflow_id,
        run_id = info.workflow_run_id,
        trace_id = trace.is_valid().then(|| trace.trace_id().to_string()),
        app = Empty,
        component = Empty,
        container = Empty,
        attempt = Empty,
    );
    let known = [("app", &id.app), ("component", &id.component), ("container", &id.container)];
    for (name, value) in known.into_iter().filter(|(_, value)| !value.is_empty()) {
        span.record(name, value.as_str());
        context.span().set_attribute(KeyValue::new(format!("kiln.{name}"), value.clone()));
    }
    if id.attempt > 0 {
        span.record("attempt", id.attempt);
        context.span().set_attribute(KeyValue::new("kiln.attempt", i64::from(id.attempt)));
    }
    span
}

/// Runs a step, and reports a failure that may go by waiting: at the 2nd, 4th, 8th … run, because
/// Temporal's pauses between runs grow, and when the failure ends an attempt.
async fn reporting<T>(
    ctx: &ActivityContext,
    observer: &Observer,
    state: State,
    step: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let outcome = step.await;
    let run = ctx.info().attempt;
    let is_ended = outcome.as_ref().is_err_and(|error| error.is::<Ended>());
    if let Some(failure) = outcome.as_ref().err().and_then(failure_of)
        && failure.kind.waiting_mends()
        && (is_ended || run > 1 && run.is_power_of_two())
    {
        observer.report(state, &failure.message).await;
    }
    outcome
}

/// What Temporal sees of a step's error. An error without a type is a bug, so the step is not retried.
pub fn to_engine(error: anyhow::Error) -> ActivityError {
    let is_final = is_final(&error);
    let failure = match failure_of(&error) {
        Some(failure) => failure.clone(),
        None => Failure::new(FailureType::Internal, format!("{error:#}")),
    };
    let failure = redact::known().failure(failure);
    tracing::warn!(kind = failure.kind.name(), "{failure}");
    ActivityError::application(
        ApplicationFailure::builder(failure.message.clone())
            .type_name(failure.kind.name())
            .non_retryable(is_final)
            .details(failure)
            .build(),
    )
}
