//! More time for a clock that runs, as someone wants it.

use std::time::Duration;

use futures::{FutureExt, pin_mut};
use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, select};

use super::Build;
use crate::{
    decision::Extend,
    failure::FailureType,
    output::ContainerImage,
    plan::Clocks,
    policy::{Policy, Step},
    steps::{AwaitInput, Built, Steps},
    stop::Stop,
};

/// How much longer each clock runs than the plan says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Granted(Clocks);

impl Granted {
    /// How much longer what waits for room may do so than it might then.
    pub(super) fn queued_since(self, then: Self) -> u64 {
        self.0.queued - then.0.queued
    }

    /// Grants what was checked, and says it.
    pub(super) fn grant(&mut self, extend: &Extend) -> String {
        *self.0.of(extend.clock) += extend.seconds().unwrap_or_default();
        format!("extended: {} by {}", extend.clock.word(), extend.by)
    }
}

impl Build<'_> {
    /// The clocks as they are now.
    pub(super) fn clocks(&self) -> Clocks {
        self.plan.work.clocks().longer_by(self.ctx.state(|s| s.granted.0))
    }

    /// The policy of steps that are begun now.
    pub(super) fn policy(&self) -> Policy {
        self.policy.with(self.clocks())
    }

    /// The work, ended by the whole clock at the latest.
    pub(super) async fn within_clock(
        &self,
        work: impl Future<Output = Result<ContainerImage, Stop>>,
    ) -> Result<ContainerImage, Stop> {
        let work = work.fuse();
        pin_mut!(work);
        let mut counted = 0;
        loop {
            let Clocks { whole, .. } = self.clocks();
            if whole <= counted {
                self.token.cancel_with_reason("the whole clock ran out");
                let message = format!("the whole clock ran out after {whole} s");
                return Err(Stop::because(FailureType::DeadlineExceeded, message));
            }
            let clock = WorkflowCancellationToken::new();
            let timer = TimerOptions::builder(Duration::from_secs(whole - counted))
                .cancellation_token(clock.clone())
                .summary("the whole clock".to_owned())
                .build();
            let timer = self.ctx.timer(timer).fuse();
            pin_mut!(timer);
            select! {
                outcome = work => {
                    // A clock ends with its workflow, and to cancel it is an event.
                    if !self.over.get() {
                        clock.cancel();
                    }
                    return outcome;
                }
                _ = timer => counted = whole,
            }
        }
    }

    /// Waits for the end of a build. Its step counts the clocks by what the Pod says, so it is
    /// begun anew when someone extends one.
    pub(super) async fn await_in_time(&self, mut input: AwaitInput) -> Result<Built, Stop> {
        loop {
            let granted = self.ctx.state(|s| s.granted);
            input.clocks = self.clocks();
            let token = self.token.child_token();
            let options =
                self.policy().options(Step::AwaitBuild, self.summary("await"), token.clone());
            let built = self.ctx.execute_activity(Steps::await_build, input.clone(), options);
            let built = built.fuse();
            let extended = self.ctx.wait_condition(|s| s.granted != granted).fuse();
            pin_mut!(built, extended);
            let (built, is_extended) = select! {
                built = built => (built, false),
                extended = extended => {
                    if extended.is_ok() {
                        token.cancel_with_reason("someone extended a clock");
                    }
                    (built.await, extended.is_ok())
                }
            };
            match built.map_err(Stop::from) {
                Err(Stop::Cancelled) if is_extended && !self.token.is_cancelled() => {}
                built => return built,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Clock;

    #[test]
    fn what_is_granted_adds_up() {
        let extend = |clock, by: &str| Extend {
            component: "web".to_owned(),
            container: "server".to_owned(),
            clock,
            by: by.to_owned(),
        };
        let mut granted = Granted::default();
        assert_eq!(granted.grant(&extend(Clock::Building, "30m")), "extended: building by 30m");
        granted.grant(&extend(Clock::Building, "1h"));
        granted.grant(&extend(Clock::Whole, "10s"));
        let plan = Clocks { building: 60, ..Clocks::default() };
        let expected = Clocks { building: 60 + 5400, whole: 10, ..Clocks::default() };
        assert_eq!(plan.longer_by(granted.0), expected);
    }
}
