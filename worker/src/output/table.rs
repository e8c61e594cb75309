//! Tables for people. They have no borders: a line is a record, for `grep` and `awk`.

use comfy_table::{CellAlignment, Table, presets};

/// A table with headers.
pub(crate) fn rows<const N: usize>(
    header: &[&str; N],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    table(header, rows).trim_fmt()
}

/// A table without headers.
pub(crate) fn plain(rows: impl Iterator<Item = Vec<String>>) -> String {
    table(&[], rows).trim_fmt()
}

pub(super) fn table<const N: usize>(
    header: &[&str; N],
    rows: impl Iterator<Item = Vec<String>>,
) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if N > 0 {
        table.set_header(header.to_vec());
    }
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

pub(super) fn align_right(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// The first characters of a text.
pub(crate) fn short(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// A text on one line, at most 120 characters.
pub(crate) fn one_line(text: &str) -> String {
    const LONGEST: usize = 120;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
