//! Launches that wait for room within a slot: the engine's queue does not show them any more.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::Metrics;

/// Since when each of them waits.
#[derive(Default)]
pub(super) struct Launches(Mutex<Vec<SystemTime>>);

impl Launches {
    fn lock(&self) -> MutexGuard<'_, Vec<SystemTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait, and the oldest for how many seconds.
    fn now(&self) -> (u64, u64) {
        let all = self.lock();
        let oldest = all.iter().min().and_then(|since| since.elapsed().ok());
        (all.len() as u64, oldest.unwrap_or_default().as_secs())
    }
}

/// A launch that waits, counted for as long as this lives.
pub struct Waiting<'a> {
    metrics: &'a Metrics,
    since: SystemTime,
}

impl Metrics {
    /// A launch waits for room, since then.
    pub fn waits(&self, since: SystemTime) -> Waiting<'_> {
        self.launches.lock().push(since);
        self.waiting();
        Waiting { metrics: self, since }
    }

    /// Tells anew how many launches wait, as the oldest of them grows older.
    pub fn waiting(&self) {
        let (count, seconds) = self.launches.now();
        self.set(&self.launches_waiting, count, &[]);
        self.set(&self.launches_waiting_age, seconds, &[]);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self.metrics.launches.lock();
        if let Some(place) = all.iter().position(|since| *since == self.since) {
            all.swap_remove(place);
        }
        drop(all);
        self.metrics.waiting();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use temporalio_common::telemetry::metrics::NoOpCoreMeter;

    use super::Metrics;

    #[test]
    fn a_launch_waits_until_it_is_dropped() {
        let metrics = Metrics::of(Arc::new(NoOpCoreMeter));
        let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
        assert_eq!(metrics.launches.now(), (0, 0));
        let long = metrics.waits(ago(600));
        let short = metrics.waits(ago(60));
        let (count, seconds) = metrics.launches.now();
        assert!(count == 2 && (600..660).contains(&seconds), "{count}, {seconds} s");
        drop(long);
        let (count, seconds) = metrics.launches.now();
        assert!(count == 1 && (60..120).contains(&seconds), "{count}, {seconds} s");
        drop(short);
        assert_eq!(metrics.launches.now(), (0, 0));
        // One that the engine's clock puts into the future is there, too.
        let early = metrics.waits(SystemTime::now() + Duration::from_secs(60));
        assert_eq!(metrics.launches.now(), (1, 0));
        drop(early);
    }
}
