//! A progress bar of bytes on stderr, if it is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::terminal;

const KNOWN: &str =
    "{prefix} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
const UNKNOWN: &str = "{prefix} {binary_bytes} {binary_bytes_per_sec}";

/// A bar for this number of bytes, if the number is known. A dropped bar disappears.
pub(super) fn bar(what: &'static str, bytes: Option<u64>) -> ProgressBar {
    let (line, bar) = match bytes {
        Some(bytes) => (KNOWN, ProgressBar::new(bytes)),
        None => (UNKNOWN, ProgressBar::no_length()),
    };
    let bar = if terminal::draws() { bar } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template(line).expect("the template is fixed");
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(what);
    bar
}
