//! One line per container on a terminal, and one line for the whole build. All lines are redrawn.

use std::time::{Duration, Instant};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use kilnworks_workflows::progress::{ContainerProgress, Progress, State};

use super::words::{name, time, with_note};

/// The lines, and the stopwatch of each container.
pub(crate) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    lines: Vec<ProgressBar>,
    clocks: Vec<Stopwatch>,
    /// Age of the build at `from`.
    age: Duration,
    /// When the view started.
    from: Instant,
}

impl Bars {
    /// A view of a build that started `age` ago.
    pub(super) fn of(age: Duration) -> Self {
        let all = MultiProgress::new();
        let total = line(&all, 0);
        total.set_style(style("{spinner:.cyan} {wide_msg}", SPINNER));
        total.set_message("waiting for a worker");
        let (lines, clocks) = (Vec::new(), Vec::new());
        Self { all, total, lines, clocks, age, from: Instant::now() }
    }

    /// Draws the progress.
    pub(super) fn show(&mut self, progress: &Progress) {
        let rows = &progress.containers;
        let elapsed = self.age + self.from.elapsed();
        let known = self.age.is_zero();
        self.clocks.resize_with(rows.len(), || Stopwatch { known, ..Stopwatch::default() });
        for (row, clock) in rows.iter().zip(&mut self.clocks) {
            clock.tick(row.state, elapsed);
        }
        let shown = with_room(rows, usize::from(Term::stderr().size().0).saturating_sub(2));
        self.make_room(shown.len());
        let width = rows.iter().map(|row| name(row).len()).max().unwrap_or_default();
        for (line, index) in self.lines.iter().zip(shown) {
            let row = &rows[index];
            let (colour, ticks) = mark(row.state);
            let template = format!("{{spinner:.{colour}}} {{prefix}}  {{wide_msg}}");
            line.set_style(style(&template, ticks));
            line.set_prefix(format!("{:width$}", name(row)));
            line.set_message(words(row, self.clocks[index].shown));
        }
        self.total.set_message(total(progress, elapsed));
        if self.all.is_hidden() {
            self.all.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Prints a message above the lines.
    pub(super) fn note(&self, text: &str) {
        // The terminal may be gone.
        let _ = self.all.println(text);
    }

    /// Removes the lines until the next `show`.
    pub(super) fn close(&mut self) {
        // The terminal may be gone.
        let _ = self.all.clear();
        self.all.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn make_room(&mut self, lines: usize) {
        while self.lines.len() > lines {
            self.lines.pop().iter().for_each(|line| self.all.remove(line));
        }
        while self.lines.len() < lines {
            let line = line(&self.all, self.lines.len());
            self.lines.push(line);
        }
    }
}

/// Adds an empty line at this position.
fn line(all: &MultiProgress, place: usize) -> ProgressBar {
    let line = all.insert(place, ProgressBar::new_spinner().with_style(style("", SPINNER)));
    line.enable_steady_tick(Duration::from_millis(120));
    line
}

const SPINNER: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ";

fn style(template: &str, ticks: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is fixed").tick_chars(ticks)
}

/// The mark of a line: its colour, and the characters of its spinner.
fn mark(state: State) -> (&'static str, &'static str) {
    match state {
        State::Done => ("green", "✔✔"),
        State::Failed | State::Cancelled => ("red", "✘✘"),
        State::Waiting => ("dim", "··"),
        _ => ("cyan", SPINNER),
    }
}

/// The rows that fit on a terminal with `room` lines, in plan order. Active containers have
/// priority over failed, waiting and finished ones.
fn with_room(rows: &[ContainerProgress], room: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|index| match rows[*index].state {
        State::Failed | State::Cancelled => 1,
        State::Waiting => 2,
        State::Done => 3,
        _ => 0,
    });
    order.truncate(room.max(1));
    order.sort_unstable();
    order
}

/// The time since a container left the state `waiting`. It is unknown for a container that had left
/// that state before the view started.
#[derive(Default)]
struct Stopwatch {
    known: bool,
    started: Option<Duration>,
    shown: Option<Duration>,
}

impl Stopwatch {
    /// Records the state at age `now` of the build.
    fn tick(&mut self, state: State, now: Duration) {
        self.known |= state == State::Waiting;
        if !self.known || state == State::Waiting || state.is_final() {
            return;
        }
        let started = *self.started.get_or_insert(now);
        self.shown = Some(now - started);
    }
}

/// The step of a container, its time, and what it does or waits for.
fn words(row: &ContainerProgress, elapsed: Option<Duration>) -> String {
    let (step, phrase) = phrase(row.state);
    let elapsed = elapsed.map_or_else(String::new, time);
    format!("{step:5}  {elapsed:>7}  {}", with_note(phrase, row))
}

/// The number of the step, and what happens in it.
fn phrase(state: State) -> (&'static str, &'static str) {
    match state {
        State::Waiting => ("", "waiting for its turn"),
        State::Fetching => ("[1/6]", "fetching the source"),
        State::Packing => ("[2/6]", "packing the context"),
        State::Paused => ("", "paused"),
        State::Queued => ("[3/6]", "queued: waiting for room in the cluster"),
        State::Scheduling => ("[4/6]", "waiting for a node"),
        State::Pulling => ("[5/6]", "pulling the executor"),
        State::Building => ("[6/6]", "building"),
        State::Undecided => ("", "failed; waiting for a decision"),
        State::Done => ("", "done"),
        State::Failed => ("", "failed"),
        State::Cancelled => ("", "cancelled"),
    }
}

/// The line for the whole build.
fn total(progress: &Progress, elapsed: Duration) -> String {
    let rows = &progress.containers;
    let count = |wanted: fn(State) -> bool| rows.iter().filter(|row| wanted(row.state)).count();
    let done = count(|state| state == State::Done);
    let others = [
        (count(|state| state == State::Failed), "failed"),
        (count(|state| state == State::Cancelled), "cancelled"),
        (count(|state| !state.is_final() && state != State::Waiting), "in progress"),
        (count(|state| state == State::Waiting), "waiting"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    let others: String = others.map(|(count, word)| format!(", {count} {word}")).collect();
    let waits = progress.waiting.as_ref().map(|what| format!("; the build waits {what}"));
    let waits = waits.unwrap_or_default();
    format!("{done} of {} done{others}, {}{waits}", rows.len(), time(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: State) -> ContainerProgress {
        ContainerProgress { state, ..ContainerProgress::default() }
    }

    #[test]
    fn active_containers_have_priority() {
        let states = [State::Done, State::Building, State::Waiting, State::Failed, State::Queued];
        let rows = states.map(row);
        for (room, shown) in [
            (9, vec![0, 1, 2, 3, 4]),
            (4, vec![1, 2, 3, 4]),
            (3, vec![1, 3, 4]),
            (2, vec![1, 4]),
            (0, vec![1]),
        ] {
            assert_eq!(with_room(&rows, room), shown, "{room}");
        }
    }

    #[test]
    fn a_stopwatch_runs_from_the_first_step_to_the_end() {
        let seconds = Duration::from_secs;
        let mut clock = Stopwatch::default();
        for (now, state, shown) in [
            (0, State::Waiting, None),
            (5, State::Fetching, Some(0)),
            (9, State::Building, Some(4)),
            (12, State::Done, Some(4)),
            (20, State::Done, Some(4)),
        ] {
            clock.tick(state, seconds(now));
            assert_eq!(clock.shown, shown.map(seconds), "{now}");
        }
        let mut late = Stopwatch::default();
        late.tick(State::Building, seconds(600));
        assert_eq!(late.shown, None);
    }

    #[test]
    fn a_line_shows_the_step_and_the_reason() {
        let mut queued = row(State::Queued);
        (queued.reason, queued.attempt) = (Some("10 of 10 builds run".to_owned()), 2);
        let lines = [
            words(&row(State::Waiting), None),
            words(&queued, Some(Duration::from_secs(75))),
            words(&row(State::Done), Some(Duration::from_secs(80))),
            total(
                &Progress {
                    containers: vec![row(State::Done), queued, row(State::Waiting)],
                    ..Progress::default()
                },
                Duration::from_secs(81),
            ),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
