//! Reading a build file: the values that are filled in, and everything that there is to tell.

use std::{collections::BTreeMap, fmt::Write};

use kilnworks_workflows::fault::Faults;
use serde_json::Value;

use super::values::{Values, unmark};

/// The values to fill in, and what was found so far.
#[derive(Debug)]
pub(super) struct Reading {
    values: Values,
    faults: Faults,
    /// Where each unknown name was wanted.
    unknown: BTreeMap<String, Vec<String>>,
    told: String,
}

impl Reading {
    /// A reading with these values.
    pub(super) fn new(values: Values) -> Self {
        Self { values, faults: Faults::default(), unknown: BTreeMap::new(), told: String::new() }
    }

    /// Notes what is wrong.
    pub(super) fn fault(&mut self, path: &str, message: impl Into<String>) {
        self.faults.add(unmark(path), unmark(&message.into()));
    }

    /// Says that something has no equivalent.
    pub(super) fn left_out(&mut self, path: &str, why: &str) {
        self.tell("left out", path, why);
    }

    /// Says what was chosen.
    pub(super) fn note(&mut self, path: &str, what: &str) {
        self.tell("note", path, what);
    }

    fn tell(&mut self, kind: &str, path: &str, what: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.told, "{kind}: {}: {}", unmark(path), unmark(what));
    }

    /// The text of a single value; numbers and booleans are texts too. A fraction is not repeated as
    /// it was spelled, which is told.
    pub(super) fn text_of(&mut self, path: &str, value: &Value) -> Option<String> {
        if value.is_f64() {
            let what =
                format!("a number for YAML, {value}; quote it if that is not how it is spelled");
            self.note(path, &what);
        }
        let text = scalar(value);
        if text.is_none() {
            self.fault(path, wrong(value, "a text"));
        }
        text
    }

    /// Fills in the values of a text.
    pub(super) fn fill(&mut self, path: &str, text: &str) -> String {
        let unknown = &mut self.unknown;
        self.values.fill(text, |name| {
            let places = unknown.entry(name.to_owned()).or_default();
            if !places.iter().any(|place| place == path) {
                places.push(path.to_owned());
            }
        })
    }

    /// The values, where a text must not be filled in.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    pub(super) fn has_told_of(&self, path: &str) -> bool {
        let wanted = self.unknown.values().flatten().any(|place| place == path);
        wanted || self.faults.0.iter().any(|fault| fault.path == path)
    }

    /// Every fault; an unknown name is one, with all its places.
    pub(super) fn faults(&self) -> Faults {
        let mut faults = self.faults.clone();
        for (name, places) in &self.unknown {
            let places = places.join("\n    ");
            let message = format!("no value is given; it is used in\n    {places}");
            faults.add(format!("${{{name}}}"), message);
        }
        faults
    }

    /// What there is to tell, a line each. Where there are faults, they end it.
    pub(super) fn told(&self) -> String {
        let faults = self.faults();
        let lines = faults.0.iter().map(|fault| format!("{}: {}\n", fault.path, fault.message));
        self.told.clone() + &lines.collect::<String>()
    }
}

/// The text of a scalar; none of a list or map.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// What is wrong with a value of another type. Only its kind is told: it may hold a credential.
pub(super) fn wrong(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
        Value::Null => "nothing",
        _ => "a single value",
    };
    format!("{found}; accepted is {wanted}")
}
