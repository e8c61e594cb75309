//! Lines on stdout. Those of several containers begin with whose they are.

use std::io::{IsTerminal, Write, stdout};

use kilnworks_activities::log::read::Line;

use super::Chosen;
use crate::terminal;

/// Colours of a terminal that are read well on dark and light.
const COLOURS: [&str; 6] = ["36", "33", "32", "35", "34", "31"];

/// Prints one container's lines.
pub(super) struct Printer {
    begin: String,
    timestamps: bool,
}

impl Printer {
    /// One for each container, in their order.
    pub(super) fn for_all(chosen: &[Chosen], timestamps: bool) -> Vec<Self> {
        let coloured = stdout().is_terminal() && !terminal::is_plain();
        let begin = |(name, colour): (&str, &str)| match (chosen.len(), coloured) {
            (1, _) => String::new(),
            (_, true) => format!("\u{1b}[{colour}m{name} | \u{1b}[0m"),
            (_, false) => format!("{name} | "),
        };
        let names = chosen.iter().map(|one| one.name.as_str());
        let each = names.zip(COLOURS.into_iter().cycle());
        each.map(|one| Self { begin: begin(one), timestamps }).collect()
    }

    /// Takes lines, each printed as a whole. A line that is a note has no time.
    pub(super) fn out(&self) -> impl FnMut(Line<'_>) -> anyhow::Result<()> + Send + '_ {
        move |line| {
            let mut stdout = stdout().lock();
            stdout.write_all(self.begin.as_bytes())?;
            if let Some(at) = line.at.filter(|_| self.timestamps) {
                write!(stdout, "{at:.9} ")?;
            }
            stdout.write_all(line.text)?;
            stdout.write_all(b"\n")?;
            Ok(())
        }
    }
}
