//! How long the store must keep an object so that each build can rely on what it has found.
//!
//! Many builds read a context that one build has put, so a sweep must never delete a context that a
//! build has just found. A check of the age right before the deletion is not enough: a build may
//! find the context between the check and the deletion. So each key contains the number of a
//! [`PERIOD`]. Builds look for a key, and put it, only within its period; later builds use another
//! key. A sweep deletes only keys that are older than any period plus any build.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kilnworks_workflows::plan::LONGEST_TIMEOUT;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The shortest retention of contexts. It holds for all installations that share a store.
pub const SHORTEST_OF_CONTEXTS: Duration = Duration::from_secs(2 * LONGEST_TIMEOUT.as_secs());

/// The shortest retention of logs. Every part of a running build's log is younger.
pub const SHORTEST_OF_LOGS: Duration =
    Duration::from_secs(LONGEST_TIMEOUT.as_secs() + DAY.as_secs());

/// Age at which an unfinished put counts as dead. No upload takes this long.
pub const UNFINISHED_AFTER: Duration = DAY;

/// How long a key is in use. If a build finds a context at the end of the period and takes as long
/// as a build may, the context is still younger than any retention. Two days are left for a slow
/// upload and for timeouts that differ.
const PERIOD: Duration = Duration::from_secs(28 * DAY.as_secs());

/// Key of a packed context at this time. The same content keeps its key for one period.
pub fn context_key_at(content: &str, now: SystemTime) -> String {
    let period = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / PERIOD.as_secs();
    super::context_key(&format!("{content}-{period}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_context_that_is_found_outlives_the_build_that_found_it() {
        let first = UNIX_EPOCH + 700 * PERIOD;
        let key = context_key_at("c0ffee", first);
        // An upload that starts within the period may end after it.
        let last_found = (0..=24 * 60)
            .map(|hours| first + hours * HOUR)
            .take_while(|now| context_key_at("c0ffee", *now) == key)
            .last()
            .unwrap();
        assert_eq!(last_found, first + PERIOD - HOUR);
        let needed_until = last_found + LONGEST_TIMEOUT;
        assert!(needed_until + DAY < first + SHORTEST_OF_CONTEXTS);
        // When a sweep may delete the first key, no build has used that key for weeks.
        assert!(last_found + 2 * HOUR + DAY < first + SHORTEST_OF_CONTEXTS);
    }

    #[test]
    fn a_key_has_a_directory_of_its_own() {
        let key = context_key_at("c0ffee", UNIX_EPOCH + 3 * PERIOD);
        assert_eq!(key, "contexts/c0ffee-3/context.tar.gz");
    }
}
