//! Whether a failed attempt is followed by another, when, and with what resources.

use std::time::Duration;

use super::{MINUTE, SECOND};
use crate::{failure::FailureType, plan::Resources, steps::EngineSettings};

/// Pause before an attempt after this one: what was away for one Pod is away for the next, too.
pub fn pause(failure: FailureType, attempt: u32) -> Option<Duration> {
    let doubled = 10 * SECOND * 2_u32.pow(attempt.min(6) - 1);
    failure.waiting_mends().then(|| doubled.min(5 * MINUTE))
}

/// How often a container's memory may grow: to 3.4 times of what its spec says.
const MOST_GROWTHS: u32 = 3;

/// What the next attempt after a failure has, where a next attempt makes sense. `in_an_outage` is the
/// most attempts while something outside is away.
pub fn next_attempt(
    failure: FailureType,
    attempt: u32,
    grants: &Grants,
    settings: &EngineSettings,
    in_an_outage: u32,
) -> Option<Grants> {
    // An outage is waited out, for many more Pods: mostly the whole timeout ends it.
    let most = if failure.waiting_mends() { in_an_outage } else { settings.max_attempts };
    let again = failure.new_attempt_mends() && attempt < most;
    let mut next = grants.clone();
    match failure {
        FailureType::OutOfMemory if grants.growths == MOST_GROWTHS => return None,
        FailureType::OutOfMemory => {
            next.growths += 1;
            next.resources.memory = half_more(&grants.resources.memory);
        }
        // A Pod that takes more scratch space than its own limit is evicted, too.
        FailureType::Evicted if attempt <= MOST_GROWTHS => {
            let storage = grants.resources.ephemeral_storage.as_deref();
            next.resources.ephemeral_storage = storage.map(half_more);
        }
        _ => {}
    }
    again.then_some(next)
}

/// What an attempt has to do with.
#[derive(Clone, Debug, PartialEq)]
pub struct Grants {
    /// Resources of its Pod.
    pub resources: Resources,
    /// How often its memory was raised.
    pub growths: u32,
}

/// A quantity times 1.5, in whole units below.
fn half_more(quantity: &str) -> String {
    let digits = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (number, suffix) = quantity.split_at(digits.len());
    let number: f64 = number.parse().unwrap_or(1.0) * 1.5;
    let lower = match suffix {
        "Ki" => Some((1024.0, "")),
        "Mi" => Some((1024.0, "Ki")),
        "Gi" => Some((1024.0, "Mi")),
        "Ti" => Some((1024.0, "Gi")),
        _ => None,
    };
    match lower {
        Some((factor, lower)) if number.fract() != 0.0 => {
            format!("{}{lower}", (number * factor).ceil())
        }
        _ => format!("{}{suffix}", number.ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Grants, half_more, next_attempt};
    use crate::{bounds::ATTEMPTS, failure::FailureType, plan::Resources, steps::EngineSettings};

    fn grants() -> Grants {
        let resources = Resources {
            cpu: "1".to_owned(),
            memory: "2Gi".to_owned(),
            ephemeral_storage: Some("10Gi".to_owned()),
        };
        Grants { resources, growths: 0 }
    }

    #[test]
    fn a_failure_changes_the_next_attempt() {
        let settings = EngineSettings { heartbeat: 60, max_attempts: 10 };
        let next = |kind, attempt, grants: &Grants| {
            next_attempt(kind, attempt, grants, &settings, ATTEMPTS)
        };
        let mut grown = grants();
        for (attempt, memory) in [(1, "3Gi"), (2, "4608Mi"), (3, "6912Mi")] {
            grown = next(FailureType::OutOfMemory, attempt, &grown).expect("another attempt");
            assert_eq!(grown.resources.memory, memory);
        }
        assert_eq!(next(FailureType::OutOfMemory, 4, &grown), None, "there is a bound");
        let evicted = next(FailureType::Evicted, 1, &grants()).expect("another attempt");
        assert_eq!(evicted.resources.ephemeral_storage.as_deref(), Some("15Gi"));
        assert_eq!(evicted.resources.memory, "2Gi");
        assert_eq!(next(FailureType::NodeLost, 1, &grants()), Some(grants()));
        assert_eq!(next(FailureType::NodeLost, 10, &grants()), None);
        assert_eq!(next(FailureType::RegistryUnavailable, 99, &grants()), Some(grants()));
        assert_eq!(next(FailureType::RegistryUnavailable, 100, &grants()), None);
        assert_eq!(next(FailureType::BuildFailed, 1, &grants()), None);
    }

    #[test]
    fn memory_grows_by_half() {
        for (given, grown) in
            [("2Gi", "3Gi"), ("1Gi", "1536Mi"), ("512Mi", "768Mi"), ("1000", "1500"), ("3G", "5G")]
        {
            assert_eq!(half_more(given), grown);
        }
    }
}
