//! The progress of a build as the Temporal UI shows it: a Markdown table.

use super::{ContainerProgress, Progress, State};
use crate::{bounds, failure::head};

impl Progress {
    /// A summary and a table of the containers: first those that failed, then the others in plan
    /// order. Rows beyond [`bounds::MARKDOWN_BYTES`] are counted.
    pub fn markdown(&self) -> String {
        let mut rows: Vec<_> = self.containers.iter().collect();
        rows.sort_by_key(|row| !needs_a_look(row.state));
        let mut text = self.summary();
        text += "\n| container | state | image, or why |\n|---|---|---|\n";
        for (told, row) in rows.iter().enumerate() {
            let line = line(row);
            if text.len() + line.len() > bounds::MARKDOWN_BYTES {
                let left = rows.len() - told;
                return text + &format!("\nand {left} more: see the query `progress`\n");
            }
            text += &line;
        }
        text
    }

    fn summary(&self) -> String {
        let count = |state| self.containers.iter().filter(|row| row.state == state).count();
        let mut text = format!("**{} of {} done**", count(State::Done), self.containers.len());
        for state in [State::Failed, State::Undecided, State::Paused, State::Cancelled] {
            match count(state) {
                0 => {}
                some => text += &format!(", {some} {}", state.words()),
            }
        }
        if let Some(waiting) = &self.waiting {
            let since = self.since.as_deref().unwrap_or_default();
            text += &format!(". It waits **{waiting}** since {}", moment(since));
        }
        text + "\n"
    }
}

/// Space that the UI does not trim. It has no space between cells.
const SPACE: &str = "\u{a0}\u{a0}";

fn needs_a_look(state: State) -> bool {
    matches!(state, State::Failed | State::Undecided)
}

fn line(row: &ContainerProgress) -> String {
    let mut state = row.state.words().to_owned();
    if let Some(since) = &row.since {
        state += &format!(" since {}", moment(since));
    }
    if row.attempt > 1 {
        state += &format!(", attempt {}", row.attempt);
    }
    let image = row.reference.as_deref().map(|reference| format!("`{}`", short(reference)));
    let reason = row.reason.as_deref().map(|reason| {
        // Nothing of a log may become markup, or another cell.
        let text = reason.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
        text.replace('<', "&lt;").replace('[', "\\[")
    });
    let log = row.log.as_deref().map(|log| format!("log: `{}`", log.replace(['|', '`'], " ")));
    let told: Vec<_> = [reason.or(image), log].into_iter().flatten().collect();
    format!("| **{}**{SPACE} | {state}{SPACE} | {} |\n", row.path(), told.join("; "))
}

/// `2026-01-31T10:20:30.123Z` as `2026-01-31 10:20:30 UTC`.
fn moment(time: &str) -> String {
    match humantime::parse_rfc3339(time) {
        Ok(time) => humantime::format_rfc3339_seconds(time)
            .to_string()
            .replace('T', " ")
            .replace('Z', " UTC"),
        Err(_) => head(time, bounds::TERM).replace('|', " "),
    }
}

/// The name of an image without its registry, and the first twelve digits of its digest.
fn short(reference: &str) -> String {
    let reference = reference.rsplit('/').next().unwrap_or(reference);
    match reference.split_once("@sha256:") {
        Some((name, digits)) => format!("{name}@sha256:{}", head(digits, 12)),
        None => reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: &str = "\
**1 of 3 done**, 1 failed, waiting for a decision. It waits **for approval** since 2026-01-31 10:20:30 UTC

| container | state | image, or why |
|---|---|---|
| **web/migrate**\u{a0}\u{a0} | failed, waiting for a decision, attempt 2\u{a0}\u{a0} | `RUN a \\| b` failed with &lt;1> \\[x](y); log: `s3://logs/1.log` |
| **web/server**\u{a0}\u{a0} | done\u{a0}\u{a0} | `shop@sha256:000000000000…` |
| **web/worker**\u{a0}\u{a0} | waiting for room since 2026-01-31 10:20:30 UTC\u{a0}\u{a0} | 10 of 10 builds run |
";

    fn row(container: &str, state: State) -> ContainerProgress {
        ContainerProgress {
            component: "web".to_owned(),
            container: container.to_owned(),
            state,
            ..ContainerProgress::default()
        }
    }

    #[test]
    fn the_table_says_what_a_tired_person_needs() {
        let mut done = row("server", State::Done);
        done.reference = Some(format!("registry.example.com/shop@sha256:{}", "0".repeat(64)));
        done.attempt = 1;
        let mut queued = row("worker", State::Queued);
        queued.reason = Some("10 of 10 builds run".to_owned());
        queued.since = Some("2026-01-31T10:20:30.123Z".to_owned());
        let mut failed = row("migrate", State::Undecided);
        failed.reason = Some("`RUN a | b` failed\nwith <1> [x](y)".to_owned());
        failed.log = Some("s3://logs/1.log".to_owned());
        failed.attempt = 2;
        let progress = Progress {
            app: "shop".to_owned(),
            waiting: Some("for approval".to_owned()),
            since: Some("2026-01-31T10:20:30Z".to_owned()),
            containers: vec![done, queued, failed],
            ..Progress::default()
        };
        let table = progress.markdown();
        assert_eq!(table, EXPECTED, "{table}");
    }

    #[test]
    fn five_hundred_rows_stay_small_and_the_failed_ones_are_told() {
        let mut rows: Vec<_> = (0..500).map(|_| row("server", State::Queued)).collect();
        rows.iter_mut().for_each(|row| row.reason = Some("r".repeat(bounds::REASON_BYTES)));
        rows.push(row("last", State::Failed));
        let progress = Progress { containers: rows, ..Progress::default() };
        let text = progress.markdown();
        assert!(text.len() < bounds::MARKDOWN_BYTES + 100, "{}", text.len());
        assert!(text.contains("**web/last**"), "{text:.500}");
        assert!(text.contains(" more: see the query"), "the cut is told");
    }
}
