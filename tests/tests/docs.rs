//! What the documents say is so.

use kilnworks_workflows::failure::FailureType;
use strum::VariantArray;

/// The row of the table that a type stands in.
fn row(kind: FailureType) -> &'static str {
    let table = include_str!("../../docs/failures.md");
    let name = format!("`{}`", kind.name());
    let mut rows = table.lines().filter(|line| {
        let cells = line.strip_prefix("| ");
        cells.and_then(|line| line.split(" | ").next()).is_some_and(|types| types.contains(&name))
    });
    rows.next().unwrap_or_else(|| panic!("docs/failures.md has no row for {name}"))
}

#[test]
fn every_failure_type_is_documented_with_its_remedy() {
    for kind in FailureType::VARIANTS {
        let row = row(*kind);
        assert!(row.contains(kind.remedy()), "{}: `{}`", kind.name(), kind.remedy());
    }
}
