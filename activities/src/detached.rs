//! What goes on after its step gave back its slot: the wait for a build, once it is launched.
//!
//! A launch holds one of few slots, as what waits behind those is the queue of builds, in the
//! engine. So the step says that it completes later, and the wait goes on beside all steps: it
//! heartbeats and completes by the step's token. A heartbeat names the Pod: who asks sees that it is
//! there, before the workflow knows. Its end is the build's. Whatever else ends the
//! wait, this worker's stop or a neighbour that is away, completes the step with the bare Pod: the
//! workflow then has another step await it.
//!
//! A `render` goes on like that with the launch, too, and leaves more to the workflow: a build that
//! fails is awaited by another step, as all that a failure needs is there.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use kilnworks_workflows::steps::{Built, Launched, Rendered};
use opentelemetry::{
    Context, KeyValue, global,
    trace::{FutureExt, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use temporalio_client::{
    ActivityIdentifier, AsyncActivityHandle, Client, RpcOptions, errors::AsyncActivityError,
};
use temporalio_common::protos::TaskToken;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::engine::heartbeat;

/// When a heartbeat tells of the Pod: a build that is over by then costs none.
const SOON: Duration = Duration::from_secs(1);

/// The waits of a worker that go on beside its steps.
#[derive(Debug, Default)]
pub struct Detached {
    stopping: CancellationToken,
    running: TaskTracker,
}

/// A step that goes on.
pub(crate) enum Step {
    /// `launch`, which has launched it.
    Launch(Launched),
    /// `render`, which may launch it.
    Render(Box<Rendered>),
}

/// What is launched, once it is.
pub(crate) type Known = Arc<OnceLock<Launched>>;

impl Detached {
    /// Goes on with a step, which is to say that it completes later. `wait` gives what came of the
    /// build; nothing where it was not launched. It is given where to note what it launches.
    pub(crate) fn go_on<W>(
        &self,
        ctx: &ActivityContext,
        step: Step,
        wait: impl FnOnce(Known) -> W,
    ) -> ActivityError
    where
        W: Future<Output = Result<Option<Built>, ActivityError>> + Send + 'static,
    {
        let handle = handle_of(ctx);
        let (beat, stopping) = (heartbeat(ctx) / 3, self.stopping.clone());
        let known = Known::default();
        if let Step::Launch(launched) = &step {
            let _ = known.set(launched.clone());
        }
        let context = Context::current();
        // Or the step would be told of as one that failed.
        context.span().set_status(Status::Ok);
        let wait = Box::pin(wait(known.clone())).with_context(context);
        self.running.spawn(async move {
            let end = tokio::select! {
                biased;
                outcome = wait => End::Came(outcome),
                () = stopping.cancelled() => End::Stopped,
                end = beats(&handle, beat, &known) => end,
            };
            Box::pin(complete(&handle, step, end, known.get().cloned())).await;
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

/// How the wait ended.
enum End {
    Came(Result<Option<Built>, ActivityError>),
    /// The worker stops.
    Stopped,
    Cancelled,
    /// Nobody waits for it any more.
    Unwanted,
}

/// Tells the engine that the wait goes on, and for what, until it is to end.
async fn beats(handle: &AsyncActivityHandle<Client>, pause: Duration, known: &Known) -> End {
    let mut is_named = false;
    loop {
        tokio::time::sleep(if is_named { pause } else { SOON.min(pause) }).await;
        let named = known.get().cloned();
        is_named = named.is_some();
        let beaten = handle.heartbeat(named, RpcOptions::default());
        // Boxed, as there is one a minute, and thousands wait.
        match Box::pin(beaten).await {
            Ok(answer) if answer.cancel_requested => return End::Cancelled,
            Err(AsyncActivityError::NotFound(_)) => return End::Unwanted,
            // One that cannot be sent now is sent with the next beat.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Tells the engine what came of a step. Where it cannot be told, it misses the next heartbeat, and
/// the workflow has the build awaited anew.
async fn complete(
    handle: &AsyncActivityHandle<Client>,
    step: Step,
    end: End,
    known: Option<Launched>,
) {
    let options = RpcOptions::default();
    let told = match (end, step) {
        (End::Unwanted, _) => Ok(()),
        (End::Cancelled, _) => handle.report_cancelation(None::<()>, options).await,
        (End::Came(Err(ActivityError::Application(failure))), Step::Launch(_))
            if failure.is_non_retryable() =>
        {
            handle.fail(*failure, None::<()>, options).await
        }
        // What waiting mends is left to the step that awaits alone, which is tried again.
        (end, Step::Launch(_)) => handle.complete(with(known, built(end)), options).await,
        (end, Step::Render(rendered)) => {
            // What was begun and came to nothing may have made its Pod.
            let again = known.is_none() && !matches!(end, End::Came(Ok(None)));
            let launched = with(known, built(end));
            handle.complete(Some(Rendered { launched, again, ..*rendered }), options).await
        }
    };
    if let Err(error) = told {
        tracing::info!(%error, "the engine does not hear what came of a build");
    }
}

fn built(end: End) -> Option<Built> {
    match end {
        End::Came(outcome) => outcome.ok().flatten(),
        End::Stopped | End::Cancelled | End::Unwanted => None,
    }
}

fn with(known: Option<Launched>, built: Option<Built>) -> Option<Launched> {
    known.map(|launched| Launched { built: built.map(Box::new), ..launched })
}

fn handle_of(ctx: &ActivityContext) -> AsyncActivityHandle<Client> {
    let token = TaskToken::from(ctx.info().task_token.clone());
    ctx.client().get_async_activity_handle(ActivityIdentifier::from_task_token(token))
}

/// Runs what another step does alone, with the span that it has then.
pub(crate) async fn traced<T>(
    ctx: &ActivityContext,
    step: &str,
    work: impl Future<Output = T>,
) -> T {
    let own = ctx.info().workflow_id.clone().unwrap_or_default();
    let builder = SpanBuilder::from_name(format!("RunActivity:{step}"))
        .with_kind(SpanKind::Server)
        .with_attributes([KeyValue::new("temporalWorkflowID", own)]);
    let parent = Context::current();
    let span = global::tracer("kilnworks").build_with_context(builder, &parent);
    // It ends with the future, whatever ends that.
    work.with_context(parent.with_span(span)).await
}
