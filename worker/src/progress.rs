//! Live progress, on stderr: bars on a terminal, a plain line for each change elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kilnworks_workflows::progress::{ContainerProgress, Progress, State};

use crate::{outcome::Outcome, table::one_line, units};

/// What someone who waits is shown.
pub(crate) enum View {
    /// A line a container, drawn again and again.
    Bars(Bars),
    /// A line a change.
    Lines(Lines),
}

impl View {
    /// What fits stderr: bars on a terminal that may be drawn on.
    pub(crate) fn fitting() -> Self {
        let draw = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        match draw {
            true => Self::Bars(Bars::default()),
            false => Self::Lines(Lines::default()),
        }
    }

    /// Shows where the build stands.
    pub(crate) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bars(bars) => bars.show(progress),
            Self::Lines(lines) => {
                let changes = lines.changes(progress, lines.begun.elapsed());
                changes.iter().for_each(|line| eprintln!("{line}"));
            }
        }
    }

    /// Says something beside the containers.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Bars(bars) => drop(bars.all.println(text)),
            Self::Lines(_) => eprintln!("{text}"),
        }
    }

    /// Takes the bars away: the table and the failures say more, and may go to the same terminal.
    pub(crate) fn close(&self) {
        if let Self::Bars(bars) = self {
            // A terminal that cannot be drawn on any more has nothing to take away.
            let _ = bars.all.clear();
        }
    }
}

/// A line a container.
#[derive(Default)]
pub(crate) struct Bars {
    all: MultiProgress,
    rows: Vec<Bar>,
}

struct Bar {
    bar: ProgressBar,
    clock: Clock,
}

impl Bars {
    fn show(&mut self, progress: &Progress) {
        if self.rows.is_empty() {
            self.rows = self.open(progress);
        }
        for (row, bar) in progress.containers.iter().zip(&mut self.rows) {
            let elapsed = bar.clock.read(row.state);
            bar.bar.set_message(words(row, elapsed));
            if row.state.is_final() && !bar.bar.is_finished() {
                bar.bar.abandon();
            }
        }
    }

    fn open(&self, progress: &Progress) -> Vec<Bar> {
        let names: Vec<_> = progress.containers.iter().map(name).collect();
        let width = names.iter().map(String::len).max().unwrap_or_default();
        let style = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}")
            .expect("the template is fixed")
            .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ");
        let bar = |name: String| {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_style(style.clone());
            bar.set_prefix(format!("{name:width$}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            let clock = Clock::default();
            Bar { bar, clock }
        };
        names.into_iter().map(bar).collect()
    }
}

/// How long a container has been at work, as seen from here.
#[derive(Default)]
struct Clock {
    begun: Option<Instant>,
    ended: Option<Duration>,
}

impl Clock {
    fn read(&mut self, state: State) -> Duration {
        if state == State::Waiting {
            return Duration::ZERO;
        }
        let elapsed = self.begun.get_or_insert_with(Instant::now).elapsed();
        match state.is_final() {
            true => *self.ended.get_or_insert(elapsed),
            false => elapsed,
        }
    }
}

/// A line a change.
pub(crate) struct Lines {
    begun: Instant,
    seen: Vec<String>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { begun: Instant::now(), seen: Vec::new() }
    }
}

impl Lines {
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
        changed.collect()
    }
}

fn name(row: &ContainerProgress) -> String {
    format!("{}/{}", row.component, row.container)
}

/// The state in words, with its reason.
fn said(row: &ContainerProgress) -> String {
    let attempt = match row.attempt {
        0 | 1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let note = row.reason.as_deref().or(row.reference.as_deref());
    match note {
        Some(note) => format!("{}{attempt}: {}", row.state.word(), one_line(note)),
        None => format!("{}{attempt}", row.state.word()),
    }
}

fn words(row: &ContainerProgress, elapsed: Duration) -> String {
    match elapsed {
        Duration::ZERO => said(row),
        _ => format!("{:>7}  {}", time(elapsed), said(row)),
    }
}

fn time(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        _ => units::seconds(elapsed.as_secs_f64()),
    }
}

/// The last state of every container, once the build has ended: the engine's answer is surer than
/// the last poll before it.
pub(crate) fn settle(progress: &mut Progress, outcome: &Outcome) {
    let (images, failures, other) = match outcome {
        Outcome::Succeeded(output) => (output.images.as_slice(), &[][..], State::Done),
        Outcome::Failed(details) => {
            (details.images.as_slice(), details.failures.as_slice(), State::Failed)
        }
        Outcome::Cancelled => (&[][..], &[][..], State::Cancelled),
    };
    for row in &mut progress.containers {
        let same = |component: &str, container: &str| {
            component == row.component && container == row.container
        };
        let image = images.iter().find(|one| same(&one.component, &one.container));
        let failure = failures.iter().find(|one| same(&one.component, &one.container));
        if let Some(image) = image {
            (row.state, row.reason) = (State::Done, None);
            row.reference = Some(image.reference.clone());
        } else if let Some(failure) = failure {
            (row.state, row.reason) = (State::Failed, Some(failure.message.clone()));
        } else if !row.state.is_final() {
            (row.state, row.reason) = (other, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::failure::{Failure, FailureDetails, FailureType};

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
        }
    }

    #[test]
    fn plain_lines_come_with_each_change_alone() {
        let mut lines = Lines::default();
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

    #[test]
    fn the_end_settles_every_row() {
        let failure = Failure::new(FailureType::BuildFailed, "it broke").of("web", "server");
        let details = FailureDetails { failures: vec![failure], images: Vec::new() };
        let mut progress = two(State::Building, State::Building, None);
        settle(&mut progress, &Outcome::Failed(Box::new(details)));
        assert!(progress.containers.iter().all(|row| row.state == State::Failed));
        assert_eq!(progress.containers[1].reason.as_deref(), Some("it broke"));
    }
}
