//! Live progress on stderr: bars on a terminal, otherwise one line per change.

mod bars;
mod lines;
mod words;

use std::time::Duration;

use kilnworks_workflows::progress::Progress;

use self::{bars::Bars, lines::Lines};
use super::terminal;

/// A live view of a build.
pub(crate) enum View {
    /// One line per container, redrawn.
    Bars(Bars),
    /// One line per change.
    Lines(Lines),
}

impl View {
    /// The view that stderr supports, for a build that started `age` ago.
    pub(crate) fn fitting(age: Duration) -> Self {
        match terminal::draws() {
            true => Self::Bars(Bars::of(age)),
            false => Self::Lines(Lines::of(age)),
        }
    }

    /// Shows the progress.
    pub(crate) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bars(bars) => bars.show(progress),
            Self::Lines(lines) => lines.show(progress),
        }
    }

    /// Shows a message that belongs to no container.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Bars(bars) => bars.note(text),
            Self::Lines(_) => eprintln!("{text}"),
        }
    }

    /// Removes the bars, so that other output can use the terminal. `show` draws them again.
    pub(crate) fn close(&mut self) {
        if let Self::Bars(bars) = self {
            bars.close();
        }
    }
}
