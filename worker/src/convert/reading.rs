//! Reading a build file: what it says is taken out field by field, and whatever is left then is a
//! fault. So every field is either converted, or left out by name, or refused.

use std::{collections::BTreeMap, fmt::Write};

use kilnworks_workflows::{
    document::member,
    fault::{Faults, quoted},
};
use serde_json::{Map, Value};

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

    fn has_told_of(&self, path: &str) -> bool {
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

/// The fields of a map that were not taken yet.
#[derive(Debug)]
pub(super) struct Fields {
    /// Where the map is.
    pub(super) path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The fields of a value, which must be a map. A `null` has none.
    pub(super) fn of(reading: &mut Reading, path: impl Into<String>, value: Value) -> Self {
        let path = path.into();
        let map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            other => {
                reading.fault(&path, wrong(&other, "a map"));
                Map::new()
            }
        };
        Self { path, map }
    }

    /// The path of a field.
    pub(super) fn at(&self, name: &str) -> String {
        // The document's own fields stand behind its place.
        match self.path.contains(": ") {
            true => member(&self.path, name),
            false => format!("{}: {name}", self.path),
        }
    }

    /// The names of the fields, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        self.map.keys().cloned().collect()
    }

    /// Takes a field. A `null` is as good as none.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text, its values not filled in; numbers and booleans are texts too.
    pub(super) fn raw_text(&mut self, reading: &mut Reading, name: &str) -> Option<String> {
        let value = self.take(name)?;
        let text = scalar(&value);
        if text.is_none() {
            // It may be a credential: the value is not repeated.
            reading.fault(&self.at(name), "a list or map; accepted is a text");
        }
        text
    }

    /// Takes a text; none where it is empty.
    pub(super) fn text(&mut self, reading: &mut Reading, name: &str) -> Option<String> {
        let text = self.raw_text(reading, name)?;
        let text = reading.fill(&self.at(name), &text);
        Some(text).filter(|text| !text.is_empty())
    }

    /// Takes a text that must be there.
    pub(super) fn needed(&mut self, reading: &mut Reading, name: &str) -> Option<String> {
        let text = self.text(reading, name);
        let path = self.at(name);
        if text.is_none() && !reading.has_told_of(&path) {
            reading.fault(&path, "missing; this field is required");
        }
        text
    }

    /// Takes a yes or no, which a value may have written as a text.
    pub(super) fn flag(&mut self, reading: &mut Reading, name: &str) -> Option<bool> {
        let text = self.text(reading, name)?;
        match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => {
                let message = format!("{}; accepted is true or false", quoted(&text));
                reading.fault(&self.at(name), message);
                None
            }
        }
    }

    /// Takes a list of anything, each with its path.
    pub(super) fn list(&mut self, reading: &mut Reading, name: &str) -> Vec<(String, Value)> {
        let path = self.at(name);
        let items = match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                reading.fault(&path, wrong(&other, "a list"));
                Vec::new()
            }
        };
        let places = (0..items.len()).map(|index| format!("{path}[{index}]"));
        places.zip(items).collect()
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, reading: &mut Reading, name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for (path, value) in self.list(reading, name) {
            match scalar(&value) {
                Some(text) => texts.push(reading.fill(&path, &text)),
                None => reading.fault(&path, wrong(&value, "a text")),
            }
        }
        texts
    }

    /// Takes a map.
    pub(super) fn map(&mut self, reading: &mut Reading, name: &str) -> Fields {
        let path = self.at(name);
        let value = self.take(name).unwrap_or_default();
        Self::of(reading, path, value)
    }

    /// Every field must have been taken by now.
    pub(super) fn finish(self, reading: &mut Reading) {
        for name in self.map.keys() {
            reading.fault(&self.at(name), "unknown field");
        }
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
fn wrong(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
        Value::Null => "nothing",
        _ => "a single value",
    };
    format!("{found}; accepted is {wanted}")
}
