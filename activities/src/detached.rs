//! What goes on after its step gave back its slot: the wait for a build, once it is launched.
//!
//! A launch holds one of few slots, as what waits behind those is the queue of builds, in the
//! engine. So the step says that it completes later, and the wait goes on beside all steps: it
//! heartbeats and completes by the step's token. A heartbeat names the Pod: who asks sees that it is there, before
//! the workflow knows. Its end is the build's. Whatever else ends the
//! wait, this worker's stop or a neighbour that is away, completes the step with the bare Pod: the
//! workflow then has another step await it.

use std::time::Duration;

use kilnworks_workflows::steps::{Built, Launched};
use opentelemetry::{
    Context, KeyValue, global,
    trace::{FutureExt, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use temporalio_client::{
    ActivityIdentifier, AsyncActivityHandle, Client, RpcOptions, errors::AsyncActivityError,
};
use temporalio_common::{error::ApplicationFailure, protos::TaskToken};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::engine::heartbeat;

/// When the first heartbeat tells of the Pod: a build that is over by then costs none.
const SOON: Duration = Duration::from_secs(1);

/// The waits of a worker that go on beside its steps.
#[derive(Debug, Default)]
pub struct Detached {
    stopping: CancellationToken,
    running: TaskTracker,
}

impl Detached {
    /// Goes on with the wait for what a step launched. The step is to say that it completes later.
    pub(crate) fn go_on(
        &self,
        ctx: &ActivityContext,
        launched: Launched,
        wait: impl Future<Output = Result<Built, ActivityError>> + Send + 'static,
    ) -> ActivityError {
        let handle = handle_of(ctx);
        let (beat, stopping) = (heartbeat(ctx) / 3, self.stopping.clone());
        let context = Context::current();
        // Or the step would be told of as one that failed.
        context.span().set_status(Status::Ok);
        let traced = span(ctx, &context);
        let wait = Box::pin(wait).with_context(traced.clone());
        self.running.spawn(async move {
            let outcome = tokio::select! {
                biased;
                outcome = wait => of(outcome, &launched),
                () = stopping.cancelled() => Outcome::Launched(launched.clone()),
                outcome = beats(&handle, beat, &launched) => outcome,
            };
            traced.span().end();
            Box::pin(complete(&handle, outcome)).await;
        });
        ActivityError::WillCompleteAsync
    }

    /// Ends every wait: each leaves its Pod to another worker.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
        self.running.close();
    }

    /// Waits until every wait has ended, once it is told to.
    pub(crate) async fn ended(&self) {
        self.running.wait().await;
    }
}

/// What becomes of a step that was detached.
enum Outcome {
    /// It gives the Pod, and what came of it where that is known.
    Launched(Launched),
    Failed(Box<ApplicationFailure>),
    Cancelled,
    /// Nobody waits for it any more.
    Nothing,
}

fn of(outcome: Result<Built, ActivityError>, launched: &Launched) -> Outcome {
    match outcome {
        Ok(built) => Outcome::Launched(Launched { built: Some(built), ..launched.clone() }),
        Err(ActivityError::Application(failure)) if failure.is_non_retryable() => {
            Outcome::Failed(failure)
        }
        // Waiting mends it, and the step that awaits alone is tried again.
        Err(_) => Outcome::Launched(launched.clone()),
    }
}

/// Tells the engine that the wait goes on, and for what, until it is to end.
async fn beats(
    handle: &AsyncActivityHandle<Client>,
    pause: Duration,
    launched: &Launched,
) -> Outcome {
    let soon = tokio::time::Instant::now() + SOON.min(pause);
    let mut beat = tokio::time::interval_at(soon, pause);
    loop {
        beat.tick().await;
        let beaten = handle.heartbeat(Some(launched.clone()), RpcOptions::default());
        // Boxed, as there is one a minute, and thousands wait.
        match Box::pin(beaten).await {
            Ok(answer) if answer.cancel_requested => return Outcome::Cancelled,
            Err(AsyncActivityError::NotFound(_)) => return Outcome::Nothing,
            // One that cannot be sent now is sent with the next beat.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Tells the engine what came of a step. Where it cannot be told, it misses the next heartbeat, and
/// the workflow has the build awaited anew.
async fn complete(handle: &AsyncActivityHandle<Client>, outcome: Outcome) {
    let options = RpcOptions::default();
    let told = match outcome {
        Outcome::Launched(launched) => handle.complete(Some(launched), options).await,
        Outcome::Failed(failure) => handle.fail(*failure, None::<()>, options).await,
        Outcome::Cancelled => handle.report_cancelation(None::<()>, options).await,
        Outcome::Nothing => Ok(()),
    };
    if let Err(error) = told {
        tracing::info!(%error, "the engine does not hear what came of a build");
    }
}

fn handle_of(ctx: &ActivityContext) -> AsyncActivityHandle<Client> {
    let token = TaskToken::from(ctx.info().task_token.clone());
    ctx.client().get_async_activity_handle(ActivityIdentifier::from_task_token(token))
}

/// The span of the wait, as that of the step which awaits alone.
fn span(ctx: &ActivityContext, parent: &Context) -> Context {
    let info = ctx.info();
    let own = info.workflow_id.clone().unwrap_or_default();
    let builder = SpanBuilder::from_name("RunActivity:await_build")
        .with_kind(SpanKind::Server)
        .with_attributes([KeyValue::new("temporalWorkflowID", own)]);
    let span = global::tracer("kilnworks").build_with_context(builder, parent);
    parent.with_span(span)
}
