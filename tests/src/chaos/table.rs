//! The results of the cases.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

/// The result of one case.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub case: String,
    /// How many builds it started.
    pub builds: u32,
    /// Builds that did not end as they must, and images that the registry lacks.
    pub lost: Vec<String>,
    /// Pods beyond one per attempt.
    pub duplicated: Vec<String>,
    /// Objects and files that are left.
    pub orphans: Vec<String>,
    /// Set if the case had not ended at its limit.
    pub hung: Vec<String>,
    /// The longest time that a build took beyond a build without a fault.
    pub extra: Option<Duration>,
    /// How long the case took.
    pub took: Duration,
}

impl Verdict {
    pub(super) fn of(case: &str) -> Self {
        Self { case: case.to_owned(), ..Self::default() }
    }

    /// Whether there is no fault.
    pub fn is_good(&self) -> bool {
        self.faults().next().is_none()
    }

    /// All faults, in words.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        let kinds = [
            ("lost", &self.lost),
            ("duplicated", &self.duplicated),
            ("orphan", &self.orphans),
            ("hung", &self.hung),
        ];
        kinds
            .into_iter()
            .flat_map(|(kind, what)| what.iter().map(move |one| format!("{kind}: {one}")))
    }
}

/// The table of all verdicts, with a sum.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "FAULT",
        "BUILDS",
        "LOST",
        "DUPLICATED",
        "ORPHANS",
        "HUNG",
        "WORST EXTRA TIME",
    ]);
    table.add_rows(verdicts.iter().map(row));
    if verdicts.len() > 1 {
        table.add_row(row(&sum(verdicts)));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn row(verdict: &Verdict) -> [String; 7] {
    [
        verdict.case.clone(),
        verdict.builds.to_string(),
        verdict.lost.len().to_string(),
        verdict.duplicated.len().to_string(),
        verdict.orphans.len().to_string(),
        verdict.hung.len().to_string(),
        verdict.extra.map_or("-".to_owned(), |extra| format!("{:.1} s", extra.as_secs_f64())),
    ]
}

fn sum(verdicts: &[Verdict]) -> Verdict {
    let mut sum = Verdict::of("all");
    for verdict in verdicts {
        sum.builds += verdict.builds;
        sum.lost.extend(verdict.lost.clone());
        sum.duplicated.extend(verdict.duplicated.clone());
        sum.orphans.extend(verdict.orphans.clone());
        sum.hung.extend(verdict.hung.clone());
        sum.extra = sum.extra.max(verdict.extra);
    }
    sum
}
