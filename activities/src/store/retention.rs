//! How long a build may rely on what is in the store, and so how long it must be kept.
//!
//! A context is put once and read by many builds, so a sweep must never remove one that a build has
//! just found. Looking at its age before removing it would not do: between the look and the
//! removal a build may find it, or put it anew. So a key has a time: it is looked for and put only
//! within one [`PERIOD`], and what is looked for later has another key. What a sweep removes is
//! older than any period and any build, whoever sweeps, however late its removal arrives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kilnworks_workflows::plan::LONGEST_CLOCK;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The shortest retention of contexts. All installations that share a store keep to it, whatever
/// their settings.
pub const SHORTEST_OF_CONTEXTS: Duration = Duration::from_secs(2 * LONGEST_CLOCK.as_secs());

/// The shortest retention of logs: a part of the log of a running build is younger.
pub const SHORTEST_OF_LOGS: Duration = Duration::from_secs(LONGEST_CLOCK.as_secs() + DAY.as_secs());

/// Age of a put that never ended: no upload lasts as long.
pub const UNFINISHED_AFTER: Duration = DAY;

/// How long a key of a context is in use. A context that is found at the end of it, by a build that
/// takes as long as a build may, is still younger than any retention; the two days that are left
/// are for a slow upload and for clocks that differ.
const PERIOD: Duration = Duration::from_secs(28 * DAY.as_secs());

/// Key of a packed context now. The same content has the same key for some weeks.
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
        // An upload that begins in the period may end an hour and more after it.
        let last_found = (0..=24 * 60)
            .map(|hours| first + hours * HOUR)
            .take_while(|now| context_key_at("c0ffee", *now) == key)
            .last()
            .unwrap();
        assert_eq!(last_found, first + PERIOD - HOUR);
        let needed_until = last_found + LONGEST_CLOCK;
        assert!(needed_until + DAY < first + SHORTEST_OF_CONTEXTS);
        // When the first may be removed, its key has been out of use for weeks: no put meets it.
        assert!(last_found + 2 * HOUR + DAY < first + SHORTEST_OF_CONTEXTS);
    }

    #[test]
    fn a_key_has_a_directory_of_its_own() {
        let key = context_key_at("c0ffee", UNIX_EPOCH + 3 * PERIOD);
        assert_eq!(key, "contexts/c0ffee-3/context.tar.gz");
    }
}
