//! The words of a progress line.

use std::time::Duration;

use kilnworks_workflows::progress::ContainerProgress;

use crate::output::{table::one_line, units};

pub(super) fn name(row: &ContainerProgress) -> String {
    format!("{}/{}", row.component, row.container)
}

/// What the row does, its attempt, and the reason of its state or the image of a finished container.
pub(super) fn with_note(what: &str, row: &ContainerProgress) -> String {
    let attempt = match row.attempt {
        0 | 1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let note = row.reason.as_deref().or(row.reference.as_deref());
    let note = note.map_or_else(String::new, |note| format!(": {}", one_line(note)));
    format!("{what}{attempt}{note}")
}

pub(super) fn time(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        _ => units::seconds(elapsed.as_secs_f64()),
    }
}
