//! The launch of an attempt: paused where a user wants that, and once more where a user extended the
//! timeout that ran out.

use futures::{FutureExt, pin_mut};
use temporalio_common::error::ActivityExecutionError;
use temporalio_workflow::select;

use super::{timeouts::duration, walk::Walk};
use crate::{
    failure::FailureType,
    plan::Timeouts,
    policy::{self, Step},
    steps::{LaunchInput, Launched, Steps},
    stop::Stop,
};

impl Walk<'_> {
    pub(super) async fn launch(&self, mut input: LaunchInput) -> Result<Launched, Stop> {
        input.build.timeouts = self.timeouts();
        let mut extensions = self.ctx.state(|s| s.extensions);
        self.ctx.state_mut(|s| s.pause.note(&self.platform, false));
        let (open, mut paused) = (&self.launches.open, 0);
        loop {
            self.wait_while_paused().await?;
            match self.launch_unless_paused(input.clone()).await {
                Ok(launched) => {
                    self.ctx.state_mut(|s| s.pause.note(&self.platform, true));
                    // It is the Pod of every launch of this attempt that was paused before.
                    open.set(open.get() - paused);
                    return Ok(launched);
                }
                // It was paused. It may have created its Pod at that moment: the next one finds it.
                Err(Stop::Cancelled) if !self.token.is_cancelled() => paused += 1,
                Err(stop) => {
                    let now = self.ctx.state(|s| s.extensions);
                    let more = now.queued_since(extensions);
                    let is_late =
                        stop.first().map(|it| it.kind) == Some(FailureType::QuotaExceeded);
                    if !is_late || more == 0 {
                        return Err(stop);
                    }
                    extensions = now;
                    input.build.timeouts = Timeouts { queued: more, ..self.timeouts() };
                }
            }
        }
    }

    /// One launch, which is cancelled when a user pauses the container.
    async fn launch_unless_paused(&self, input: LaunchInput) -> Result<Launched, Stop> {
        let token = self.token.child_token();
        let queued = input.build.timeouts.queued;
        let mut options =
            self.policy().options(Step::Launch, self.summary("launch"), token.clone());
        options.priority = Some(policy::turn(&self.plan.app, &input.build));
        let open = &self.launches.open;
        self.launches.any.set(true);
        open.set(open.get() + 1);
        let launched = self.ctx.execute_activity(Steps::launch, input, options).fuse();
        let paused = self.ctx.wait_condition(|s| s.pause.is_on()).fuse();
        pin_mut!(launched, paused);
        let launched = select! {
            launched = launched => launched,
            _ = paused => {
                token.cancel_with_reason("a user paused this container");
                launched.await
            }
        };
        if !matches!(launched, Err(ActivityExecutionError::Cancelled(_))) {
            open.set(open.get() - 1);
        }
        launched.map_err(|error| not_launched(error, queued))
    }
}

/// The step counts its own timeout; where no worker took it in time, nothing did.
fn not_launched(error: ActivityExecutionError, queued: u64) -> Stop {
    let is_timeout = matches!(&error, ActivityExecutionError::Failed(failed)
        if failed.cause().is_some_and(|cause| cause.as_timeout().is_some()));
    match is_timeout {
        true => {
            let message = format!("no place became free within {} (queued)", duration(queued));
            Stop::because(FailureType::QuotaExceeded, message)
        }
        false => error.into(),
    }
}
