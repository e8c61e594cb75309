//! The state of reading a build file: values, faults, and the report.

use std::{collections::BTreeMap, fmt::Write};

use kilnworks_workflows::fault::Faults;
use serde_json::Value;

use super::{
    credentials::Credentials,
    values::{Values, unmark},
};

/// What all readers of a build file share.
pub(super) struct Means<'a> {
    pub(super) reading: &'a mut Reading,
    pub(super) credentials: &'a mut Credentials,
    /// Push Secret for containers that name none.
    pub(super) push_secret: Option<&'a str>,
}

/// The values to fill in, and everything found so far.
#[derive(Debug)]
pub(super) struct Reading {
    values: Values,
    faults: Faults,
    /// The paths that use each unknown name.
    unknown: BTreeMap<String, Vec<String>>,
    report: String,
}

impl Reading {
    /// Starts with these values.
    pub(super) fn new(values: Values) -> Self {
        Self { values, faults: Faults::default(), unknown: BTreeMap::new(), report: String::new() }
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, path: &str, message: impl Into<String>) {
        self.faults.add(unmark(path), unmark(&message.into()));
    }

    /// Reports what has no equivalent.
    pub(super) fn left_out(&mut self, path: &str, why: &str) {
        self.add("left out", path, why);
    }

    /// Reports a choice.
    pub(super) fn note(&mut self, path: &str, what: &str) {
        self.add("note", path, what);
    }

    fn add(&mut self, kind: &str, path: &str, what: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.report, "{kind}: {}: {}", unmark(path), unmark(what));
    }

    /// The text of a scalar. Numbers and booleans are texts, too. A fraction may lose its spelling, so
    /// it is reported.
    pub(super) fn text_of(&mut self, path: &str, value: &Value) -> Option<String> {
        if value.is_f64() {
            let what =
                format!("YAML reads it as the number {value}; quote it to keep its spelling");
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

    /// The values, for texts that are not filled in.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Whether there is a fault or an unknown name at this path.
    pub(super) fn has_fault_at(&self, path: &str) -> bool {
        let wanted = self.unknown.values().flatten().any(|place| place == path);
        wanted || self.faults.0.iter().any(|fault| fault.path == path)
    }

    /// Every fault. An unknown name is one fault with all its paths.
    pub(super) fn faults(&self) -> Faults {
        let mut faults = self.faults.clone();
        for (name, places) in &self.unknown {
            let places = places.join("\n    ");
            let message = format!("missing value; it is used in\n    {places}");
            faults.add(format!("${{{name}}}"), message);
        }
        faults
    }

    /// The report, one line each, with the faults at the end.
    pub(super) fn report(&self) -> String {
        let faults = self.faults();
        let lines = faults.0.iter().map(|fault| format!("{}: {}\n", fault.path, fault.message));
        self.report.clone() + &lines.collect::<String>()
    }
}

/// The text of a scalar. None for a list or a map.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The fault for a value of another type. It does not repeat the value, which may be a credential.
pub(super) fn wrong(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
        Value::Null => "nothing",
        _ => "a single value",
    };
    format!("{found}; accepted is {wanted}")
}
