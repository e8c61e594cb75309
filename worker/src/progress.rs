//! Live progress, on stderr: bars on a terminal, a plain line for each change elsewhere.

mod bars;
mod lines;

use std::time::Duration;

use kilnworks_workflows::progress::{ContainerProgress, Progress, State};

use self::{bars::Bars, lines::Lines};
use crate::{outcome::Outcome, table::one_line, terminal, units};

/// What someone who waits is shown.
pub(crate) enum View {
    /// A line a container, drawn again and again.
    Bars(Bars),
    /// A line a change.
    Lines(Lines),
}

impl View {
    /// What fits stderr, for a build that is so old already.
    pub(crate) fn fitting(age: Duration) -> Self {
        match terminal::draws() {
            true => Self::Bars(Bars::of(age)),
            false => Self::Lines(Lines::of(age)),
        }
    }

    /// Shows where the build stands.
    pub(crate) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bars(bars) => bars.show(progress),
            Self::Lines(lines) => lines.show(progress),
        }
    }

    /// Says something beside the containers.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Bars(bars) => bars.note(text),
            Self::Lines(_) => eprintln!("{text}"),
        }
    }

    /// Takes the bars away: what comes now may go to the same terminal. `show` brings them back.
    pub(crate) fn close(&mut self) {
        if let Self::Bars(bars) = self {
            bars.close();
        }
    }
}

fn name(row: &ContainerProgress) -> String {
    format!("{}/{}", row.component, row.container)
}

/// What there is to say beside the state.
fn note(row: &ContainerProgress) -> Option<String> {
    row.reason.as_deref().or(row.reference.as_deref()).map(one_line)
}

/// The state in a word, with its note.
fn said(row: &ContainerProgress) -> String {
    let attempt = match row.attempt {
        0 | 1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let note = note(row).map_or_else(String::new, |note| format!(": {note}"));
    format!("{}{attempt}{note}", row.state.word())
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

    pub(super) fn two(first: State, second: State, reason: Option<&str>) -> Progress {
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
    fn the_end_settles_every_row() {
        let failure = Failure::new(FailureType::BuildFailed, "it broke").of("web", "server");
        let details = FailureDetails { failures: vec![failure], images: Vec::new() };
        let mut progress = two(State::Building, State::Building, None);
        settle(&mut progress, &Outcome::Failed(Box::new(details)));
        assert!(progress.containers.iter().all(|row| row.state == State::Failed));
        assert_eq!(progress.containers[1].reason.as_deref(), Some("it broke"));
    }
}
