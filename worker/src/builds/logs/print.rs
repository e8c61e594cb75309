//! Log lines on stdout. With several containers, each line starts with the name of its container.

use std::io::{IsTerminal, Write, stdout};

use kilnworks_activities::log::read::Line;

use super::choose::Chosen;
use crate::output::terminal;

/// Terminal colours that are readable on dark and light backgrounds.
const COLOURS: [&str; 6] = ["36", "33", "32", "35", "34", "31"];

/// Prints the lines of one container.
pub(super) struct Printer {
    prefix: String,
    timestamps: bool,
}

impl Printer {
    /// One printer per container, in the same order.
    pub(super) fn for_all(chosen: &[Chosen], timestamps: bool) -> Vec<Self> {
        let coloured = stdout().is_terminal() && !terminal::is_plain();
        let prefix = |(name, colour): (&str, &str)| match (chosen.len(), coloured) {
            (1, _) => String::new(),
            (_, true) => format!("\u{1b}[{colour}m{name} | \u{1b}[0m"),
            (_, false) => format!("{name} | "),
        };
        let names = chosen.iter().map(|one| one.name.as_str());
        let each = names.zip(COLOURS.into_iter().cycle());
        each.map(|one| Self { prefix: prefix(one), timestamps }).collect()
    }

    /// Prints whole lines. A note has no timestamp.
    pub(super) fn out(&self) -> impl FnMut(Line<'_>) -> anyhow::Result<()> + Send + '_ {
        move |line| {
            let mut stdout = stdout().lock();
            stdout.write_all(self.prefix.as_bytes())?;
            if let Some(at) = line.at.filter(|_| self.timestamps) {
                write!(stdout, "{at:.9} ")?;
            }
            stdout.write_all(line.text)?;
            stdout.write_all(b"\n")?;
            Ok(())
        }
    }
}
