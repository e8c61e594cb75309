//! Liveness and readiness of the worker.

use std::{
    fmt::Write,
    sync::Mutex,
    time::{Duration, Instant},
};

use kilnworks_activities::metrics::metrics;

/// How long the thread of the workers may be blocked. Nothing on it takes a second, so after this time
/// it is blocked for ever.
const MAX_BLOCKED: Duration = Duration::from_secs(60);

/// The checks of `/readyz`. Their names are in the response and in the metric `kiln_ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Check {
    /// The engine answers, and the namespace exists.
    Engine,
    /// The API server answers, and the worker may list its Pods.
    Cluster,
    /// The watch has listed all Pods.
    Watch,
    /// The worker has all permissions that a build needs.
    Rights,
}

impl Check {
    /// All of them.
    const ALL: [Self; 4] = [Self::Engine, Self::Cluster, Self::Watch, Self::Rights];

    fn name(self) -> &'static str {
        self.into()
    }
}

/// The health of a worker. Probes record it here, so that a request never waits for a check.
pub(crate) struct Health(Mutex<State>);

struct State {
    /// Why each check fails. None if the check passes.
    wrong: [Option<String>; Check::ALL.len()],
    /// When the thread of the workers last ran. None before it starts.
    beat: Option<Instant>,
    /// Why the process must be restarted.
    dead: Option<&'static str>,
    is_stopping: bool,
}

impl Health {
    /// A worker that has just started: no check has run.
    pub(crate) fn begin() -> Self {
        let wrong = Check::ALL.map(|check| {
            metrics().ready(check.name(), false);
            Some("the worker has just started; the check has not run yet".to_owned())
        });
        Self(Mutex::new(State { wrong, beat: None, dead: None, is_stopping: false }))
    }

    /// Records the result of a check.
    pub(crate) fn record(&self, check: Check, outcome: Result<(), String>) {
        metrics().ready(check.name(), outcome.is_ok());
        let mut state = self.state();
        let place = &mut state.wrong[check as usize];
        match (&place, &outcome) {
            (None, Err(why)) => tracing::warn!(check = check.name(), "not ready: {why}"),
            (Some(_), Ok(())) => tracing::info!(check = check.name(), "ready"),
            _ => {}
        }
        *place = outcome.err();
    }

    /// Records that only a restart helps.
    pub(crate) fn die(&self, why: &'static str) {
        self.state().dead = Some(why);
    }

    /// Records that the worker is stopping.
    pub(crate) fn stop(&self) {
        self.state().is_stopping = true;
    }

    /// Runs the workers, and records every second, on the same thread, that the thread is not blocked.
    pub(crate) async fn watch<T>(&self, workers: impl Future<Output = T>) -> T {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(workers);
        self.state().beat = Some(Instant::now());
        loop {
            tokio::select! {
                ended = &mut workers => return ended,
                _ = tick.tick() => self.state().beat = Some(Instant::now()),
            }
        }
    }

    /// The response of `/healthz`. An error says why the process must be restarted.
    pub(crate) fn live(&self, now: Instant) -> Result<String, String> {
        let state = self.state();
        let blocked = state.beat.map(|beat| now.saturating_duration_since(beat));
        match (state.dead, blocked) {
            (Some(why), _) => Err(format!("{why}\n")),
            (None, Some(blocked)) if blocked > MAX_BLOCKED => {
                let seconds = blocked.as_secs();
                Err(format!("the thread of the workers has been blocked for {seconds} s\n"))
            }
            _ => Ok("ok\n".to_owned()),
        }
    }

    /// The response of `/readyz`, with one line per check.
    pub(crate) fn ready(&self) -> Result<String, String> {
        let state = self.state();
        let mut lines = String::new();
        for (check, wrong) in Check::ALL.iter().zip(&state.wrong) {
            let word = wrong.as_deref().unwrap_or("ok");
            let _ = writeln!(lines, "{}: {word}", check.name());
        }
        if state.is_stopping {
            lines += "the worker is stopping and takes no more work\n";
        }
        let is_ready = !state.is_stopping && state.wrong.iter().all(Option::is_none);
        if is_ready { Ok(lines) } else { Err(lines) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_ready_when_every_check_passes() {
        let health = Health::begin();
        assert!(health.ready().expect_err("no check has run").contains("engine: the worker has"));
        Check::ALL.iter().for_each(|check| health.record(*check, Ok(())));
        let lines = health.ready().expect("it is ready");
        assert_eq!(lines, "engine: ok\ncluster: ok\nwatch: ok\nrights: ok\n");
        health.record(Check::Engine, Err("it does not answer".to_owned()));
        let lines = health.ready().expect_err("the engine is away");
        assert!(lines.starts_with("engine: it does not answer\ncluster: ok\n"), "{lines}");
        assert_eq!(health.live(Instant::now()), Ok("ok\n".to_owned()), "a restart does not help");
        health.record(Check::Engine, Ok(()));
        health.stop();
        assert!(health.ready().expect_err("it stops").contains("takes no more work"));
    }

    #[tokio::test]
    async fn a_worker_is_alive_while_its_thread_runs() {
        let health = Health::begin();
        let later = Instant::now() + 2 * MAX_BLOCKED;
        assert!(health.live(later).is_ok(), "a worker that waits for its engine is alive");
        health.watch(tokio::task::yield_now()).await;
        assert!(health.live(Instant::now()).is_ok());
        let lines = health.live(later).expect_err("it is blocked");
        assert!(lines.contains("has been blocked for 1"), "{lines}");
        health.die("the watch over the Pods has ended");
        assert!(health.live(Instant::now()).is_err());
    }
}
