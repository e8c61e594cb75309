//! The one table of timeouts, heartbeats and retries. Nothing is tuned in a step.
//!
//! A failure whose type waiting can mend is tried again until its timeout runs out, so that an
//! outage of hours is survived; every other failure is thrown non-retryable by its step.

use std::time::Duration;

use temporalio_common::{ActivityCloseTimeouts, Priority, RetryPolicy};
use temporalio_workflow::{ActivityOptions, LocalActivityOptions, WorkflowCancellationToken};

mod attempts;

pub use self::attempts::{Grants, next_attempt, pause};
use crate::{
    bounds,
    failure::head,
    names::TaskQueues,
    plan::{BuildPlan, Timeouts},
    steps::EngineSettings,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The remote steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetch a source.
    FetchSource,
    /// Find out about a version.
    CheckVersion,
    /// Find out whether anything changed.
    Compare,
    /// Find the images of a source's containers.
    FindImages,
    /// Render a Dockerfile.
    Render,
    /// Find an image.
    FindImage,
    /// Put a context into the store.
    Upload,
    /// Create the Pod or Job.
    Launch,
    /// Wait for its end.
    AwaitBuild,
    /// Look up an image.
    ResolveImage,
    /// Put the index of several platforms.
    Index,
    /// Tag images.
    Tag,
    /// Make a package.
    Deliver,
    /// Delete what was made.
    CleanUp,
    /// Delete what no build owns any more.
    Sweep,
}

impl Step {
    /// How many workers may die during the step before it fails. The two waits read little of what a
    /// stranger wrote, and a worker has many of them when another step kills it.
    pub(crate) fn deaths(self) -> u32 {
        match self {
            Self::Launch | Self::AwaitBuild => 10,
            _ => 3,
        }
    }
}

/// What every remote step of one workflow shares.
#[derive(Clone, Debug)]
pub struct Policy {
    queues: TaskQueues,
    settings: EngineSettings,
    timeouts: Option<Timeouts>,
}

impl Policy {
    /// The policy of workflows on a task queue; a container's build has timeouts of its own.
    pub fn new(task_queue: &str, settings: EngineSettings, timeouts: Option<Timeouts>) -> Self {
        Self { queues: TaskQueues::of(task_queue), settings, timeouts }
    }

    /// The same by other timeouts.
    pub(crate) fn with(&self, timeouts: Timeouts) -> Self {
        Self { timeouts: Some(timeouts), ..self.clone() }
    }

    /// The options of a step. `summary` is what the engine's UI shows beside its name.
    pub fn options(
        &self,
        step: Step,
        summary: String,
        token: WorkflowCancellationToken,
    ) -> ActivityOptions {
        let row = self.row(step);
        ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::ScheduleAndStartToClose {
            schedule_to_close: row.all_runs,
            start_to_close: row.one_run.min(row.all_runs),
        })
        // Without one a dead worker would be noticed only when its step's run is over.
        .heartbeat_timeout(Duration::from_secs(self.settings.heartbeat))
        .task_queue(row.queue)
        .maybe_schedule_to_start_timeout(row.queued)
        .retry_policy(retry_policy())
        .cancellation_token(token)
        .summary(head(&summary, bounds::SUMMARY_BYTES))
        .build()
    }

    fn row(&self, step: Step) -> Row<'_> {
        let queues = &self.queues;
        // The workflow's own timer counts the whole timeout of a build, and cancels its steps; the slack
        // lets the timer fire first. A step that is still needed after an extension is scheduled again.
        let whole = match self.timeouts {
            Some(timeouts) => Duration::from_secs(timeouts.whole) + MINUTE,
            None => DAY,
        };
        // What a parent does ahead delays all its containers. A container that needs the source does
        // the same again, by a timeout of its own.
        let ahead = if self.timeouts.is_some() { whole } else { 6 * MINUTE };
        let row = |queue, one_run, all_runs| Row { queue, queued: None, one_run, all_runs };
        match step {
            //                     queue             one run   all runs
            Step::FetchSource => row(&queues.source, HOUR, ahead),
            Step::FindImages => row(&queues.source, MINUTE, 3 * MINUTE),
            // What it cannot find out in time, the build finds out.
            Step::Compare => row(&queues.source, HOUR, HOUR),
            Step::Render | Step::Upload => row(&queues.source, HOUR, whole),
            // It counts the queued timeout from when it was first scheduled. The slack lets it say so.
            Step::Launch => {
                let queued = self.timeouts.map(|it| Duration::from_secs(it.queued) + 10 * MINUTE);
                Row { queued, ..row(&queues.launch, whole, whole) }
            }
            // It counts its own timeouts, too, and is started again when one of them is extended.
            Step::AwaitBuild => row(&queues.await_build, whole, whole),
            Step::FindImage | Step::ResolveImage => row(&queues.main, 5 * MINUTE, whole),
            // They copy what the registry does not mount.
            Step::Index | Step::Tag => row(&queues.main, HOUR, ahead),
            Step::CheckVersion => row(&queues.main, 5 * MINUTE, DAY),
            // It reads the source, too.
            Step::Deliver => row(&queues.source, HOUR, DAY),
            Step::CleanUp => row(&queues.main, MINUTE, HOUR),
            // The next one comes by its schedule.
            Step::Sweep => row(&queues.main, HOUR, 2 * HOUR),
        }
    }
}

struct Row<'a> {
    queue: &'a str,
    /// How long it may wait for a worker.
    queued: Option<Duration>,
    one_run: Duration,
    all_runs: Duration,
}

/// The priority of a build that asks for none. 1 is kept for what is not asked for by a spec.
const PRIORITY: u32 = 3;

/// In which order builds that wait for room are launched.
pub fn turn(app: &str, build: &BuildPlan) -> Priority {
    Priority::builder()
        .priority_key(build.priority.unwrap_or(PRIORITY))
        .fairness_key(build.fairness_key.as_deref().unwrap_or(app))
        .build()
}

/// The priority of a step whose worker died.
pub(crate) fn at_once() -> Priority {
    Priority::builder().priority_key(1_u32).build()
}

fn retry_policy() -> RetryPolicy {
    RetryPolicy::builder()
        .initial_interval(SECOND)
        .backoff_coefficient(2.0)
        .maximum_interval(30 * SECOND)
        // Temporal's own names. No second run makes a result smaller that is over the limit. The
        // workflow schedules a step again whose worker died, and counts how often.
        .non_retryable_error_types(vec!["PayloadsTooLarge", "TemporalTimeout:Heartbeat"])
        .build()
}

/// The options of `split`, the one step that only computes.
pub fn split() -> LocalActivityOptions {
    LocalActivityOptions::builder()
        .start_to_close_timeout(10 * SECOND)
        .schedule_to_close_timeout(MINUTE)
        .retry_policy(RetryPolicy::builder().maximum_attempts(3).build())
        .summary("read the spec".to_owned())
        .build()
}

/// How long a child waits for an earlier holder of its workflow id to end.
pub const ID_WAIT: Duration = Duration::from_secs(30);

/// Pause between two tries to start a child whose workflow id is taken.
pub const ID_RETRY: Duration = Duration::from_secs(2);

/// How many distinct sources an app fetches at once.
pub const FETCHES: usize = 16;
