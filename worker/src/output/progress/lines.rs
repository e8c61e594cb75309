//! One plain line per change.

use std::time::{Duration, Instant};

use kilnworks_workflows::progress::{ContainerProgress, Progress};

use super::words::{name, time, with_note};

/// Prints one line per change.
pub(crate) struct Lines {
    /// Age of the build at `from`.
    age: Duration,
    /// When the view started.
    from: Instant,
    seen: Vec<String>,
    /// What the build as a whole waits for.
    waiting: Option<String>,
}

impl Lines {
    /// A view of a build that started `age` ago.
    pub(super) fn of(age: Duration) -> Self {
        Self { age, from: Instant::now(), seen: Vec::new(), waiting: None }
    }

    /// Prints the changes.
    pub(super) fn show(&mut self, progress: &Progress) {
        let elapsed = self.age + self.from.elapsed();
        self.changes(progress, elapsed).iter().for_each(|line| eprintln!("{line}"));
    }

    /// The changes since the last call. The initial state of a container is no change.
    fn changes(&mut self, progress: &Progress, elapsed: Duration) -> Vec<String> {
        let summary = |row: &ContainerProgress| with_note(row.state.word(), row);
        self.seen.resize(progress.containers.len(), summary(&ContainerProgress::default()));
        let rows = progress.containers.iter().zip(&mut self.seen);
        let changed = rows.filter_map(|(row, seen)| {
            let now = summary(row);
            let changed = *seen != now;
            seen.clone_from(&now);
            changed.then(|| format!("[{:>7}] {}: {now}", time(elapsed), name(row)))
        });
        let mut changed: Vec<_> = changed.collect();
        if self.waiting != progress.waiting {
            self.waiting.clone_from(&progress.waiting);
            let waiting = self.waiting.iter();
            changed.extend(
                waiting.map(|what| format!("[{:>7}] the build waits {what}", time(elapsed))),
            );
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::progress::State;

    use super::*;

    fn two(first: State, second: State, reason: Option<&str>) -> Progress {
        let row = |container: &str, state, reason: Option<&str>| ContainerProgress {
            component: "web".to_owned(),
            container: container.to_owned(),
            state,
            reason: reason.map(str::to_owned),
            ..ContainerProgress::default()
        };
        Progress {
            app: "shop".to_owned(),
            version: None,
            containers: vec![row("init", first, None), row("server", second, reason)],
            ..Progress::default()
        }
    }

    #[test]
    fn each_change_is_one_line() {
        let mut lines = Lines::of(Duration::ZERO);
        let steps = [
            (0, two(State::Waiting, State::Waiting, None)),
            (1, two(State::Packing, State::Waiting, None)),
            (2, two(State::Packing, State::Waiting, None)),
            (9, two(State::Building, State::Queued, Some("10 of 10\nbuilds run"))),
            (70, two(State::Done, State::Scheduling, Some("0/3 nodes"))),
        ];
        let lines_shown: Vec<_> = steps
            .iter()
            .flat_map(|(at, progress)| lines.changes(progress, Duration::from_secs(*at)))
            .collect();
        insta::assert_snapshot!(lines_shown.join("\n"));
    }
}
