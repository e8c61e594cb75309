//! The timeouts of a build, and their extension by a user.

use std::time::Duration;

use futures::{FutureExt, pin_mut};
use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, select};

use super::walk::Walk;
use crate::{
    decision::Extend, failure::FailureType, output::ContainerImage, plan::Timeouts, policy::Policy,
    stop::Stop,
};

/// How much longer each timeout is than the plan says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Extensions(Timeouts);

impl Extensions {
    /// Adds what was checked, and says so.
    pub(super) fn add(&mut self, extend: &Extend) -> String {
        *self.0.of(extend.timeout) += extend.seconds().unwrap_or_default();
        format!("extended: {} by {}", extend.timeout.word(), extend.by)
    }
}

impl Walk<'_> {
    /// The timeouts as they are now.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.plan.work.timeouts().longer_by(self.ctx.state(|s| s.extensions.0))
    }

    /// The policy of steps that start now.
    pub(super) fn policy(&self) -> Policy {
        self.policy.with(self.timeouts())
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
            let Timeouts { whole, .. } = self.timeouts();
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
    use crate::plan::Timeout;

    #[test]
    fn extensions_add_up() {
        let extend = |timeout, by: &str| Extend {
            component: "web".to_owned(),
            container: "server".to_owned(),
            timeout,
            by: by.to_owned(),
        };
        let mut extensions = Extensions::default();
        assert_eq!(extensions.add(&extend(Timeout::Building, "30m")), "extended: building by 30m");
        extensions.add(&extend(Timeout::Building, "1h"));
        extensions.add(&extend(Timeout::Whole, "10s"));
        let plan = Timeouts { building: 60, ..Timeouts::default() };
        let expected = Timeouts { building: 60 + 5400, whole: 10, ..Timeouts::default() };
        assert_eq!(plan.longer_by(extensions.0), expected);
    }
}
