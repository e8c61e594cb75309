//! Bytes that move, on stderr: a bar on a terminal, else nothing.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

const KNOWN: &str =
    "{prefix} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
const UNKNOWN: &str = "{prefix} {binary_bytes} {binary_bytes_per_sec}";

/// A bar for so many bytes; none where nobody knows how many. It goes away with its value.
pub(super) fn bar(what: &'static str, bytes: Option<u64>) -> Bar {
    let draw = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (line, bar) = match bytes {
        Some(bytes) => (KNOWN, ProgressBar::new(bytes)),
        None => (UNKNOWN, ProgressBar::no_length()),
    };
    let bar = if draw { bar } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template(line).expect("the template is fixed");
    bar.set_style(style.progress_chars("=> "));
    bar.set_prefix(what);
    Bar(bar)
}

/// A bar.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// So many bytes more.
    pub(super) fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
