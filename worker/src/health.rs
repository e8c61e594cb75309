//! How a worker is: whether it lives, and whether it can do its work.

use std::{
    fmt::Write,
    sync::Mutex,
    time::{Duration, Instant},
};

use kilnworks_activities::metrics::metrics;

/// How long the thread of the workers may be silent. Nothing on it takes a second; what blocks it
/// so long never ends.
const SILENCE: Duration = Duration::from_secs(60);

/// What `/readyz` asks for, by its name in the answer and in `kiln_ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The engine answers, and the namespace is there.
    Engine,
    /// The API server answers, and lets us see our Pods.
    Cluster,
    /// The watch has listed all Pods.
    Watch,
    /// The worker has every right that a build needs.
    Rights,
}

impl Check {
    /// All of them.
    const ALL: [Self; 4] = [Self::Engine, Self::Cluster, Self::Watch, Self::Rights];

    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Cluster => "cluster",
            Self::Watch => "watch",
            Self::Rights => "rights",
        }
    }
}

/// How a worker is. Whoever finds out notes it here; nobody who asks has to wait.
pub(crate) struct Health(Mutex<State>);

struct State {
    /// What is wrong, by check; none where nothing is.
    wrong: [Option<String>; Check::ALL.len()],
    /// When the thread of the workers last ran; none before they do.
    beat: Option<Instant>,
    /// Why the process should be started anew.
    dead: Option<&'static str>,
    is_stopping: bool,
}

impl Health {
    /// A worker that has just started: nothing was looked at yet.
    pub(crate) fn begin() -> Self {
        let wrong = Check::ALL.map(|check| {
            metrics().ready(check.name(), false);
            Some("the worker has just started, and has not looked yet".to_owned())
        });
        Self(Mutex::new(State { wrong, beat: None, dead: None, is_stopping: false }))
    }

    /// Notes what came of a check.
    pub(crate) fn note(&self, check: Check, outcome: Result<(), String>) {
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

    /// Notes that the process cannot mend itself.
    pub(crate) fn die(&self, why: &'static str) {
        self.state().dead = Some(why);
    }

    /// Notes that the worker takes no more work.
    pub(crate) fn stop(&self) {
        self.state().is_stopping = true;
    }

    /// Runs the workers and notes that they run, on their own thread: while that is blocked,
    /// nothing is noted.
    pub(crate) async fn beside<T>(&self, workers: impl Future<Output = T>) -> T {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(workers);
        loop {
            tokio::select! {
                ended = &mut workers => return ended,
                _ = tick.tick() => self.state().beat = Some(Instant::now()),
            }
        }
    }

    /// Whether the process lives, else why it should be started anew.
    pub(crate) fn live(&self, now: Instant) -> Result<String, String> {
        let state = self.state();
        let silence = state.beat.map(|beat| now.saturating_duration_since(beat));
        match (state.dead, silence) {
            (Some(why), _) => Err(format!("{why}\n")),
            (None, Some(silence)) if silence > SILENCE => {
                let seconds = silence.as_secs();
                Err(format!("the thread of the workers has been blocked for {seconds} s\n"))
            }
            _ => Ok("ok\n".to_owned()),
        }
    }

    /// Whether the worker can do its work, with a line for each check.
    pub(crate) fn ready(&self) -> Result<String, String> {
        let state = self.state();
        let mut said = String::new();
        for (check, wrong) in Check::ALL.iter().zip(&state.wrong) {
            let word = wrong.as_deref().unwrap_or("ok");
            let _ = writeln!(said, "{}: {word}", check.name());
        }
        if state.is_stopping {
            said += "the worker stops: it takes no more work\n";
        }
        let is_ready = !state.is_stopping && state.wrong.iter().all(Option::is_none);
        if is_ready { Ok(said) } else { Err(said) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_ready_when_every_check_is_passed() {
        let health = Health::begin();
        assert!(health.ready().expect_err("it has not looked").contains("engine: the worker has"));
        Check::ALL.iter().for_each(|check| health.note(*check, Ok(())));
        let said = health.ready().expect("it is ready");
        assert_eq!(said, "engine: ok\ncluster: ok\nwatch: ok\nrights: ok\n");
        health.note(Check::Engine, Err("it does not answer".to_owned()));
        let said = health.ready().expect_err("the engine is away");
        assert!(said.starts_with("engine: it does not answer\ncluster: ok\n"), "{said}");
        assert_eq!(health.live(Instant::now()), Ok("ok\n".to_owned()), "a restart mends nothing");
        health.note(Check::Engine, Ok(()));
        health.stop();
        assert!(health.ready().expect_err("it stops").contains("takes no more work"));
    }

    #[tokio::test]
    async fn a_worker_lives_while_its_thread_runs() {
        let health = Health::begin();
        let later = Instant::now() + 2 * SILENCE;
        assert!(health.live(later).is_ok(), "one that waits for its engine runs no workers yet");
        health.beside(tokio::task::yield_now()).await;
        health.beside(tokio::time::sleep(Duration::from_millis(1))).await;
        assert!(health.live(Instant::now()).is_ok());
        let said = health.live(later).expect_err("it is silent");
        assert!(said.contains("has been blocked for 1"), "{said}");
        health.die("the watch over the Pods has ended");
        assert!(health.live(Instant::now()).is_err());
    }
}
