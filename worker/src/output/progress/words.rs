//! The words of a progress line.

use std::time::Duration;

use kilnworks_workflows::progress::ContainerProgress;

use crate::output::{table::one_line, units};

pub(super) fn name(row: &ContainerProgress) -> String {
    format!("{}/{}", row.component, row.container)
}

/// The reason of the state, or the image of a finished container.
pub(super) fn note(row: &ContainerProgress) -> Option<String> {
    row.reason.as_deref().or(row.reference.as_deref()).map(one_line)
}

/// The state with its note.
pub(super) fn summary(row: &ContainerProgress) -> String {
    let attempt = match row.attempt {
        0 | 1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let note = note(row).map_or_else(String::new, |note| format!(": {note}"));
    format!("{}{attempt}{note}", row.state.word())
}

pub(super) fn time(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        _ => units::seconds(elapsed.as_secs_f64()),
    }
}
