//! The timeouts of a build, and their extension by a user.

use std::time::Duration;

use futures::{FutureExt, pin_mut};
use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, select};

use super::walk::Walk;
use crate::{
    decision::Extend, failure::FailureType, output::ContainerImage, plan::Clocks, policy::Policy,
    stop::Stop,
};

/// How much longer each timeout is than the plan says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Extensions(Clocks);

impl Extensions {
    /// Adds what was checked, and says so.
    pub(super) fn add(&mut self, extend: &Extend) -> String {
        *self.0.of(extend.clock) += extend.seconds().unwrap_or_default();
        format!("extended: {} by {}", extend.clock.word(), extend.by)
    }

    /// Seconds by which the queued timeout was extended since then.
    pub(super) fn queued_since(self, then: Self) -> u64 {
        self.0.queued - then.0.queued
    }
}

impl Walk<'_> {
    /// The timeouts as they are now.
    pub(super) fn clocks(&self) -> Clocks {
        self.plan.work.clocks().longer_by(self.ctx.state(|s| s.extensions.0))
    }

    /// The policy of steps that start now.
    pub(super) fn policy(&self) -> Policy {
        self.policy.with(self.clocks())
    }

    /// Does the work, and ends it when the whole timeout runs out.
    pub(super) async fn within_whole(
        &self,
        work: impl Future<Output = Result<ContainerImage, Stop>>,
    ) -> Result<ContainerImage, Stop> {
        let work = work.fuse();
        pin_mut!(work);
        let mut passed = 0;
        loop {
            let Clocks { whole, .. } = self.clocks();
            if whole <= passed {
                self.token.cancel_with_reason("the whole timeout ran out");
                let message = format!("the build did not end within {} (whole)", duration(whole));
                return Err(Stop::because(FailureType::DeadlineExceeded, message));
            }
            let token = WorkflowCancellationToken::new();
            let timer = TimerOptions::builder(Duration::from_secs(whole - passed))
                .cancellation_token(token.clone())
                .summary("the whole timeout".to_owned())
                .build();
            let timer = self.ctx.timer(timer).fuse();
            pin_mut!(timer);
            select! {
                outcome = work => {
                    token.cancel();
                    return outcome;
                }
                _ = timer => passed = whole,
            }
        }
    }
}

/// Seconds, as people write them.
pub(super) fn duration(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Clock;

    #[test]
    fn extensions_add_up() {
        let extend = |clock, by: &str| Extend {
            component: "web".to_owned(),
            container: "server".to_owned(),
            clock,
            by: by.to_owned(),
        };
        let mut extensions = Extensions::default();
        assert_eq!(extensions.add(&extend(Clock::Building, "30m")), "extended: building by 30m");
        extensions.add(&extend(Clock::Building, "1h"));
        extensions.add(&extend(Clock::Whole, "10s"));
        let plan = Clocks { building: 60, ..Clocks::default() };
        let expected = Clocks { building: 60 + 5400, whole: 10, ..Clocks::default() };
        assert_eq!(plan.longer_by(extensions.0), expected);
    }
}
