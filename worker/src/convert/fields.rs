//! The fields of a build file. Each is taken once, and a field that is left at the end is a fault. So
//! every field is converted, reported as left out, or rejected.

use kilnworks_workflows::{document::member, fault::quoted};
use serde_json::{Map, Value};

use super::reading::{Reading, wrong};

/// The remaining fields of a map.
#[derive(Debug)]
pub(super) struct Fields {
    /// Path of the map.
    pub(super) path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The fields of a value, which must be a map or `null`.
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
        // The path of a document has no `: `; its fields follow after one.
        match self.path.contains(": ") {
            true => member(&self.path, name),
            false => format!("{}: {name}", self.path),
        }
    }

    /// The names of the fields, in their order.
    pub(super) fn names(&self) -> Vec<String> {
        self.map.keys().cloned().collect()
    }

    /// Whether a field exists and is not `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a field. A `null` counts as missing.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text without filling in values. Numbers and booleans are texts, too.
    pub(super) fn raw_text(&mut self, reading: &mut Reading, name: &str) -> Option<String> {
        let value = self.take(name)?;
        reading.text_of(&self.at(name), &value)
    }

    /// Takes a text. An empty text counts as missing.
    pub(super) fn text(&mut self, reading: &mut Reading, name: &str) -> Option<String> {
        let text = self.raw_text(reading, name)?;
        let text = reading.fill(&self.at(name), &text);
        Some(text).filter(|text| !text.is_empty())
    }

    /// Takes a required text.
    pub(super) fn needed(&mut self, reading: &mut Reading, name: &str) -> Option<String> {
        let text = self.text(reading, name);
        let path = self.at(name);
        if text.is_none() && !reading.has_fault_at(&path) {
            reading.fault(&path, "missing; this field is required");
        }
        text
    }

    /// Takes a boolean, which may be a text.
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

    /// Takes a list, each item with its path.
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
            if let Some(text) = reading.text_of(&path, &value) {
                texts.push(reading.fill(&path, &text));
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

    /// Reports the fields that were not taken as left out.
    pub(super) fn leave_out(self, reading: &mut Reading, why: &str) {
        for (name, _) in self.map.iter().filter(|(_, value)| !value.is_null()) {
            reading.left_out(&self.at(name), why);
        }
    }

    /// Adds a fault for every field that was not taken.
    pub(super) fn finish(self, reading: &mut Reading) {
        for name in self.map.keys() {
            reading.fault(&self.at(name), "unknown field");
        }
    }
}
