//! A plain line for each change.

use std::time::{Duration, Instant};

use kilnworks_workflows::progress::{ContainerProgress, Progress};

use super::{name, said, time};

/// A line a change.
pub(crate) struct Lines {
    /// How old the build was when it began to be shown, and when that was.
    age: Duration,
    from: Instant,
    seen: Vec<String>,
    /// What the build as a whole waits for.
    waiting: Option<String>,
}

impl Lines {
    /// Shows a build that is so old already.
    pub(super) fn of(age: Duration) -> Self {
        Self { age, from: Instant::now(), seen: Vec::new(), waiting: None }
    }

    /// Prints what has changed.
    pub(super) fn show(&mut self, progress: &Progress) {
        let elapsed = self.age + self.from.elapsed();
        self.changes(progress, elapsed).iter().for_each(|line| eprintln!("{line}"));
    }

    /// What has changed since the last call. That nothing has begun is no change.
    fn changes(&mut self, progress: &Progress, elapsed: Duration) -> Vec<String> {
        self.seen.resize(progress.containers.len(), said(&ContainerProgress::default()));
        let rows = progress.containers.iter().zip(&mut self.seen);
        let changed = rows.filter_map(|(row, seen)| {
            let now = said(row);
            let changed = *seen != now;
            seen.clone_from(&now);
            changed.then(|| format!("[{:>7}] {}: {now}", time(elapsed), name(row)))
        });
        let mut changed: Vec<_> = changed.collect();
        if self.waiting != progress.waiting {
            self.waiting.clone_from(&progress.waiting);
            let told = self.waiting.iter();
            changed
                .extend(told.map(|what| format!("[{:>7}] the build waits {what}", time(elapsed))));
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::progress::State;

    use super::*;
    use crate::progress::tests::two;

    #[test]
    fn plain_lines_come_with_each_change_alone() {
        let mut lines = Lines::of(Duration::ZERO);
        let steps = [
            (0, two(State::Waiting, State::Waiting, None)),
            (1, two(State::Packing, State::Waiting, None)),
            (2, two(State::Packing, State::Waiting, None)),
            (9, two(State::Building, State::Queued, Some("10 of 10\nbuilds run"))),
            (70, two(State::Done, State::Scheduling, Some("0/3 nodes"))),
        ];
        let said: Vec<_> = steps
            .iter()
            .flat_map(|(at, progress)| lines.changes(progress, Duration::from_secs(*at)))
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
