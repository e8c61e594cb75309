//! What a running step tells the engine and asks it: that it lives, what its build waits for,
//! whether it is still wanted.

use std::time::{Duration, Instant, SystemTime};

use kilnworks_workflows::{
    BuildApp,
    build::raw,
    failure::FailureType,
    progress::{Observed, State},
    steps::{BuildId, Launched},
};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt};
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowSignalOptions};
use temporalio_common::protos::temporal::api::enums::v1::{
    PendingActivityState, WorkflowExecutionStatus,
};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tracing::{Instrument, field::Empty};

use crate::{
    error::{Ended, fail, failure_of, is_final, to_engine},
    fault,
    metrics::metrics,
    redact,
};

/// Runs a step to its end while telling the engine that it lives. A cancel drops the step: what
/// it made is the workflow's to clean up, since a cancel by a user and a shutdown of this worker
/// look alike here.
pub async fn beating<T>(
    ctx: &ActivityContext,
    step: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, ActivityError> {
    // That it has begun the engine knows.
    let pause = heartbeat(ctx) / 4;
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
    // Boxed: a step is large, and is passed on through many hands.
    let mut step = Box::pin(alone(ctx, step));
    loop {
        tokio::select! {
            outcome = &mut step => return outcome,
            () = ctx.cancelled() => return Err(ActivityError::cancelled()),
            _ = beat.tick() => {
                // A heartbeat that cannot be sent now is sent with the next tick.
                let _ = ctx.record_heartbeat(()).await;
            }
        }
    }
}

/// How long the engine waits for a step's next heartbeat.
pub(crate) fn heartbeat(ctx: &ActivityContext) -> Duration {
    // A step without a heartbeat timeout has one of zero.
    let timeout = ctx.info().heartbeat_timeout.filter(|time| !time.is_zero());
    timeout.unwrap_or(Duration::from_secs(60))
}

/// Runs a step to its end, and says in every line that it logs whose it is.
pub async fn alone<T>(
    ctx: &ActivityContext,
    step: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, ActivityError> {
    called(ctx, &ctx.info().activity_type, step).await
}

/// The same by another name than the engine has for it: a step may do the work of the next one.
pub(crate) async fn called<T>(
    ctx: &ActivityContext,
    name: &str,
    step: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, ActivityError> {
    let span = span(ctx, name);
    // On the heap, or each layer around a large step would hold it twice.
    let outcome = fault::around(name, Box::pin(step)).instrument(span.clone()).await;
    outcome.map_err(|error| {
        if !is_final(&error) {
            let kind = failure_of(&error).map_or(FailureType::Internal, |failure| failure.kind);
            metrics().retried(name, kind);
        }
        span.in_scope(|| to_engine(error))
    })
}

/// What a line of the log says of its step. The names are documented, as tools go by them.
fn span(ctx: &ActivityContext, name: &str) -> tracing::Span {
    let info = ctx.info();
    let trace = Context::current().span().span_context().clone();
    // At this level no filter of the log leaves it out.
    tracing::error_span!(
        "step",
        step = name,
        run = info.attempt,
        workflow_id = info.workflow_id,
        run_id = info.workflow_run_id,
        trace_id = trace.is_valid().then(|| trace.trace_id().to_string()),
        app = Empty,
        component = Empty,
        container = Empty,
        attempt = Empty,
    )
}

/// Runs a step of a build, and says in its lines and its trace of which.
pub async fn named<T>(id: &BuildId, step: impl Future<Output = T>) -> T {
    let (line, context) = (tracing::Span::current(), Context::current());
    let known = [("app", &id.app), ("component", &id.component), ("container", &id.container)];
    for (name, value) in known.into_iter().filter(|(_, value)| !value.is_empty()) {
        line.record(name, value.as_str());
        context.span().set_attribute(KeyValue::new(format!("kiln.{name}"), value.clone()));
    }
    if id.attempt > 0 {
        line.record("attempt", id.attempt);
        context.span().set_attribute(KeyValue::new("kiln.attempt", i64::from(id.attempt)));
    }
    step.await
}

/// What the engine wants of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Its outcome.
    Outcome,
    /// Nothing more: another run of it, on another worker, has given the outcome.
    Nothing,
    /// That it ends: it was cancelled, or its workflow has ended.
    End,
}

/// The end of a step that finds that it is to end.
pub(crate) fn unwanted() -> anyhow::Error {
    fail(FailureType::Conflict, "nobody waits for this build any more")
}

/// What the engine wants of the step that asks. A step learns of its cancel by heartbeats alone, up
/// to a minute late; before a side effect that someone must clean up, and after it, it asks.
/// Unreachable counts as wanted: the sweeper sees to the rest.
pub async fn wish(ctx: ActivityContext) -> Wish {
    let info = ctx.info();
    let Some(handle) = ctx.workflow_handle::<BuildApp>() else {
        return Wish::Outcome;
    };
    let Ok(described) = handle.describe(WorkflowDescribeOptions::default()).await else {
        return Wish::Outcome;
    };
    let cancelled = |state: i32| state == PendingActivityState::CancelRequested as i32;
    let pending = described.raw().pending_activities.iter();
    let mut own = pending.filter(|one| one.activity_id == info.activity_id).map(|one| one.state);
    let running = described.raw().workflow_execution_info.as_ref();
    let running = running.is_some_and(|it| it.status == WorkflowExecutionStatus::Running as i32);
    match own.next() {
        _ if !running => Wish::End,
        Some(state) if cancelled(state) => Wish::End,
        Some(_) => Wish::Outcome,
        None => Wish::Nothing,
    }
}

/// Runs a step, and tells what ails it when it fails for something that waiting mends: at the 2nd,
/// 4th, 8th … run, as the engine's pauses between them grow; and when it ends an attempt by that.
pub async fn telling<T>(
    ctx: &ActivityContext,
    observer: &Observer,
    state: State,
    step: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let outcome = step.await;
    let run = ctx.info().attempt;
    if let Some(failure) = outcome.as_ref().err().and_then(failure_of)
        && failure.kind.waiting_mends()
        && (is_ended(&outcome) || run > 1 && run.is_power_of_two())
    {
        observer.tell(state, &failure.message).await;
    }
    outcome
}

fn is_ended<T>(outcome: &anyhow::Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| error.is::<Ended>())
}

/// How long a wait lasts before anyone is told of it.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// How long a build that waited for nothing runs before anyone is told that it does.
const LONG: Duration = Duration::from_secs(10);

/// Pause between two signals of one build.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells a build's own workflow and those above it what it waits for, each wait once, and not too often:
/// a signal is an event in two histories.
pub struct Observer {
    client: Option<Client>,
    id: BuildId,
    launched: Option<Launched>,
    seen: Option<(State, String)>,
    since: (Instant, SystemTime),
    /// What was told last, and when; of an earlier step it is not known what.
    told: Option<(Instant, Option<(State, String)>)>,
}

impl Observer {
    /// Tells through a client; without one it tells nobody.
    pub fn new(client: Option<Client>, id: BuildId) -> Self {
        // What an earlier step or run told stands until it is told otherwise.
        let told = id.told.then(|| (Instant::now(), None));
        let since = (Instant::now(), SystemTime::now());
        Self { client, id, launched: None, seen: None, since, told }
    }

    /// Notes the Pod or Job that the build has now.
    pub fn has(&mut self, launched: &Launched) {
        self.launched = Some(launched.clone());
    }

    /// Notes what the build waits for now. To be called with every change, and every second or so.
    pub async fn see(&mut self, state: State, reason: &str) {
        self.note(state, reason, WORTH_TELLING).await;
    }

    /// The same for what is worth telling at once.
    pub async fn say(&mut self, state: State, reason: &str) {
        self.note(state, reason, Duration::ZERO).await;
    }

    async fn note(&mut self, state: State, reason: &str, worth: Duration) {
        let now = (state, reason.to_owned());
        if self.seen.as_ref().is_none_or(|(before, _)| *before != state) {
            self.since = (Instant::now(), SystemTime::now());
        }
        self.seen = Some(now.clone());
        let is_new = self.told.as_ref().is_none_or(|(_, told)| told.as_ref() != Some(&now));
        // That it builds goes without saying, unless a wait was told before or it takes long.
        let worth = match (state, &self.told) {
            (State::Building, None) => LONG,
            _ => worth,
        };
        let rested = self.told.as_ref().is_none_or(|(at, _)| at.elapsed() >= PAUSE);
        if is_new && rested && self.since.0.elapsed() >= worth {
            let heard = self.tell(state, reason).await;
            self.told = Some((Instant::now(), Some(now).filter(|_| heard)));
        }
    }

    /// Tells it at once, whatever was told before. False where the build's own workflow did not
    /// hear it.
    pub async fn tell(&self, state: State, reason: &str) -> bool {
        let Some(client) = &self.client else { return true };
        let observed = Observed {
            component: self.id.component.clone(),
            container: self.id.container.clone(),
            platform: self.id.platform.clone(),
            state,
            reason: redact::known().text(reason),
            since: humantime::format_rfc3339_seconds(self.since.1).to_string(),
            attempt: self.id.attempt,
            launched: self.launched.clone(),
        };
        let payload = serde_json::json!(observed);
        let own = self.id.workflow_id.as_str();
        let mut told = vec![own];
        if self.id.root != own {
            // A container's workflow is named after its component's.
            let component = own.rsplit_once('/').map(|(component, _)| component);
            told.extend(component.filter(|component| *component != self.id.root));
            told.push(&self.id.root);
        }
        let mut heard = true;
        for workflow in told {
            let handle = client.get_workflow_handle::<BuildApp>(workflow);
            let options = WorkflowSignalOptions::default();
            // Who cannot be told now is told of the next change.
            if let Err(error) = handle.signal(BuildApp::observed, raw(&payload), options).await {
                tracing::debug!(%workflow, %error, "cannot tell what the build waits for");
                heard &= workflow != own;
            }
        }
        heard
    }
}
