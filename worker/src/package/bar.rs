//! Bytes that move, on stderr: a bar on a terminal, else nothing.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for so many bytes. It goes away with the value that this gives.
pub(super) fn bar(what: &'static str, bytes: u64) -> Bar {
    let draw = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let bar = if draw { ProgressBar::new(bytes) } else { ProgressBar::hidden() };
    let line = "{prefix} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
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
