//! The launch of an attempt: paused where a user wants that, and once more where a user extended the
//! timeout that ran out.

use futures::{FutureExt, pin_mut};
use temporalio_common::error::{ActivityExecutionError, TimeoutType};
use temporalio_workflow::select;

use super::{timeouts::duration, walk::Walk};
use crate::{
    build::now,
    execute::timeout_of,
    failure::FailureType,
    policy::{self, Step},
    steps::{LaunchInput, Launched, Steps},
    stop::Stop,
};

impl Walk<'_> {
    pub(super) async fn launch(&self, mut input: LaunchInput) -> Result<Launched, Stop> {
        self.ctx.state_mut(|s| s.pause.note(&self.platform, false));
        input.since = now(self.ctx);
        loop {
            if self.wait_while_paused().await? {
                input.since = now(self.ctx);
            }
            input.build.timeouts = self.timeouts();
            match self.launch_unless_paused(input.clone()).await {
                Ok(launched) => {
                    self.ctx.state_mut(|s| s.pause.note(&self.platform, true));
                    return Ok(launched);
                }
                // A user paused it. It may create its Pod even so, and deletes that Pod then.
                Err(Stop::Cancelled) if !self.token.is_cancelled() => input.pauses += 1,
                Err(stop) => {
                    let is_late =
                        stop.first().map(|it| it.kind) == Some(FailureType::QuotaExceeded);
                    let is_extended = self.timeouts().queued > input.build.timeouts.queued;
                    if !is_late || !is_extended {
                        return Err(stop);
                    }
                }
            }
        }
    }

    /// One launch, which is cancelled when a user pauses the container.
    async fn launch_unless_paused(&self, input: LaunchInput) -> Result<Launched, Stop> {
        let token = self.token.child_token();
        let queued = input.build.timeouts.queued;
        let turn = policy::turn(&self.plan.app, &input.build);
        let options = || {
            let mut options =
                self.policy().options(Step::Launch, self.summary("launch"), token.clone());
            options.priority = Some(turn.clone());
            options
        };
        let open = &self.launches.open;
        self.launches.any.set(true);
        open.set(open.get() + 1);
        let launched = self.execute(Step::Launch, || Steps::launch, input, options).fuse();
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
    match timeout_of(&error) {
        Some(TimeoutType::ScheduleToStart) => {
            let message = format!("no place became free within {} (queued)", duration(queued));
            Stop::because(FailureType::QuotaExceeded, message)
        }
        _ => error.into(),
    }
}
