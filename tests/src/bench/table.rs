//! What came of the lines, as a table and as JSON.

use std::time::Duration;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::figure::{Figure, shown};

/// What came of a line.
pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub floor: &'static str,
    /// Its numbers, or why there are none.
    pub figures: Result<Vec<Figure>>,
    /// How long it took in whole.
    pub took: Duration,
}

impl Row {
    /// For programs.
    pub fn json(&self) -> Value {
        let figures = |figures: &Vec<Figure>| {
            let figures = figures.iter().map(|figure| {
                let mut value = json!(figure);
                value["ratio"] = json!(figure.ratio());
                value["met"] = json!(figure.is_met());
                value
            });
            figures.collect::<Vec<_>>()
        };
        json!({
            "name": self.name,
            "what": self.what,
            "floor": self.floor,
            "seconds": self.took.as_secs_f64(),
            "figures": self.figures.as_ref().ok().map(figures),
            "error": self.figures.as_ref().err().map(|error| format!("{error:#}")),
        })
    }

    /// Its numbers below one another, column by column.
    fn cells(&self) -> [String; 7] {
        let what = format!("{}: {}", self.name, self.what);
        let what = match self.floor {
            "" => what,
            floor => format!("{what}\nfloor: {floor}"),
        };
        let figures = match &self.figures {
            Ok(figures) => figures,
            Err(error) => {
                let cells = [what, "not measured".to_owned(), format!("{error:#}")];
                let [what, of, why] = cells;
                return [
                    what,
                    of,
                    why,
                    String::new(),
                    String::new(),
                    String::new(),
                    "-".to_owned(),
                ];
            }
        };
        let column =
            |cell: fn(&Figure) -> String| figures.iter().map(cell).collect::<Vec<_>>().join("\n");
        [
            what,
            column(|it| it.of.clone()),
            column(|it| shown(it.ours, it.unit)),
            column(|it| it.floor.map_or("-".to_owned(), |floor| shown(floor, it.unit))),
            column(|it| it.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}×"))),
            column(Figure::wanted),
            column(|it| it.is_met().map_or("", |met| if met { "yes" } else { "no" }).to_owned()),
        ]
    }
}

/// The table of all lines.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_HORIZONTAL_ONLY)
        .set_header(["LINE", "", "OURS", "FLOOR", "RATIO", "AIM", "MET"]);
    table.add_rows(rows.iter().map(Row::cells));
    for column in table.column_iter_mut().skip(2).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
