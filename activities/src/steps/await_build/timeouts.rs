//! The timeouts of a Pod: scheduling, pulling, building.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    plan::Timeouts,
    progress::State,
};

use crate::pod::phase::Standing;

/// A standing as it counts for a build that began to wait then: an earlier time is not its own.
pub(super) fn counted(standing: Standing, began: Option<Timestamp>) -> Standing {
    Standing { since: standing.since.max(began), ..standing }
}

/// The timeout of a standing, where it has run out.
pub(super) fn ran_out(standing: &Standing, timeouts: &Timeouts, now: Timestamp) -> Option<Failure> {
    let (limit, kind, what) = match standing.state {
        State::Scheduling => (
            timeouts.scheduling,
            FailureType::Unschedulable,
            "no node took the Pod within {} (scheduling)",
        ),
        State::Pulling => (
            timeouts.pulling,
            FailureType::ImagePullFailed,
            "the executor did not start within {} (pulling)",
        ),
        _ => (
            timeouts.building,
            FailureType::DeadlineExceeded,
            "the build did not end within {} (building)",
        ),
    };
    let since = standing.since?;
    if now.as_second() - since.as_second() < limit as i64 {
        return None;
    }
    let limit = humantime::format_duration(Duration::from_secs(limit)).to_string();
    let what = what.replace("{}", &limit);
    let message = match standing.reason.as_str() {
        "" => what,
        reason => format!("{what}: {reason}"),
    };
    Some(Failure::new(kind, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(state: State, seconds: i64, reason: &str) -> Option<Failure> {
        let timeouts = Timeouts { queued: 1, scheduling: 10, pulling: 20, building: 30, whole: 1 };
        let standing =
            Standing { state, since: Some(Timestamp::UNIX_EPOCH), reason: reason.to_owned() };
        ran_out(&standing, &timeouts, Timestamp::from_second(seconds).unwrap())
    }

    #[test]
    fn each_timeout_counts_its_own_wait() {
        use FailureType::{DeadlineExceeded, ImagePullFailed, Unschedulable};
        for (state, limit, kind) in [
            (State::Scheduling, 10, Unschedulable),
            (State::Pulling, 20, ImagePullFailed),
            (State::Building, 30, DeadlineExceeded),
        ] {
            assert_eq!(after(state, limit - 1, ""), None);
            let failure = after(state, limit, "").expect("a timeout that ran out");
            assert_eq!(failure.kind, kind);
            assert!(failure.message.contains(state.word()), "{failure}");
        }
    }

    #[test]
    fn a_build_that_waits_for_anothers_pod_has_all_its_time() {
        let timeouts = Timeouts { queued: 1, scheduling: 10, pulling: 20, building: 30, whole: 1 };
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let standing = Standing { state: State::Building, since: at(100), reason: String::new() };
        for (began, now, runs_out) in
            [(None, 130, true), (at(115), 144, false), (at(115), 145, true), (at(90), 130, true)]
        {
            let counted = counted(standing.clone(), began);
            let ran_out = ran_out(&counted, &timeouts, at(now).unwrap());
            assert_eq!(ran_out.is_some(), runs_out, "{began:?} at {now}");
        }
    }

    #[test]
    fn a_timeout_that_expired_says_what_the_cluster_says() {
        let failure = after(State::Scheduling, 99, "0/3 nodes are available").unwrap();
        assert!(failure.message.ends_with("(scheduling): 0/3 nodes are available"));
    }
}
