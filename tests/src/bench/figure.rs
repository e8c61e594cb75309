//! One number, its floor and its aim.

use serde::Serialize;

/// The aim of a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is", content = "value")]
pub enum Aim {
    /// Ours is at most the floor times this.
    RatioAtMost(f64),
    /// Ours is at most the floor plus this.
    MoreAtMost(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Nothing: the number is information.
    None,
}

/// One number of a line.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// Which number of the line it is.
    pub of: String,
    /// Unit of `ours` and of `floor`.
    pub unit: &'static str,
    /// Measured with Kilnworks.
    pub ours: f64,
    /// Measured without Kilnworks.
    pub floor: Option<f64>,
    /// Its aim.
    pub aim: Aim,
}

impl Figure {
    /// A number with a floor.
    pub fn new(of: &str, unit: &'static str, ours: f64, floor: f64, aim: Aim) -> Self {
        Self { of: of.to_owned(), unit, ours, floor: Some(floor), aim }
    }

    /// A number without a floor.
    pub fn alone(of: &str, unit: &'static str, ours: f64, aim: Aim) -> Self {
        Self { of: of.to_owned(), unit, ours, floor: None, aim }
    }

    /// Ours divided by the floor.
    pub fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.ours / floor)
    }

    /// Whether the aim is met; none if there is no aim.
    pub fn is_met(&self) -> Option<bool> {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        match self.aim {
            Aim::RatioAtMost(most) => Some(ratio <= most),
            Aim::MoreAtMost(more) => Some(self.ours - self.floor.unwrap_or(f64::NAN) <= more),
            Aim::AtMost(most) => Some(self.ours <= most),
            Aim::None => None,
        }
    }

    /// The aim, in words.
    pub fn wanted(&self) -> String {
        match self.aim {
            Aim::RatioAtMost(most) => format!("at most {most}×"),
            Aim::MoreAtMost(more) => format!("at most {} more", shown(more, self.unit)),
            Aim::AtMost(most) => format!("at most {}", shown(most, self.unit)),
            Aim::None => String::new(),
        }
    }
}

/// A number with its unit, as long as a reader needs it.
pub(super) fn shown(number: f64, unit: &str) -> String {
    let digits = match number.abs() {
        size if size == 0.0 || size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{number:.digits$}");
    // A whole number needs no point.
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Aim, Figure, shown};

    #[test]
    fn an_aim_is_met_up_to_its_bound() {
        let figure = |ours, aim| Figure::new("it", "s", ours, 2.0, aim);
        for (ours, aim, met) in [
            (3.0, Aim::RatioAtMost(1.5), Some(true)),
            (3.1, Aim::RatioAtMost(1.5), Some(false)),
            (2.3, Aim::MoreAtMost(0.5), Some(true)),
            (2.6, Aim::MoreAtMost(0.5), Some(false)),
            (2.0, Aim::AtMost(2.0), Some(true)),
            (2.1, Aim::AtMost(2.0), Some(false)),
            (9.0, Aim::None, None),
        ] {
            assert_eq!(figure(ours, aim).is_met(), met, "{ours} {aim:?}");
        }
        // Without a floor there is no ratio that could be met.
        assert_eq!(Figure::alone("it", "s", 1.0, Aim::RatioAtMost(9.0)).is_met(), Some(false));
    }

    #[test]
    fn numbers_are_as_long_as_a_reader_needs() {
        for (number, text) in
            [(0.0, "0 s"), (0.0123, "0.012 s"), (0.3, "0.3 s"), (12.34, "12.3 s"), (420.6, "421 s")]
        {
            assert_eq!(shown(number, "s"), text);
        }
        assert_eq!(shown(30.0, ""), "30");
    }
}
