//! The shape of a document: raw JSON in, a typed spec or every structural fault out.

mod mend;
mod schema;

use jsonschema::error::ValidationErrorKind;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    bounds,
    fault::{Fault, Faults, quoted},
    spec::{AppSpec, ComponentInput, ContainerInput},
};

/// The three documents that start a workflow.
#[derive(Clone, Debug)]
pub enum Document {
    /// Input of `BuildApp`.
    App(Box<AppSpec>),
    /// Input of `BuildComponent`.
    Component(Box<ComponentInput>),
    /// Input of `BuildContainer`.
    Container(Box<ContainerInput>),
}

/// Which document is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// An [`AppSpec`].
    App,
    /// A [`ComponentInput`].
    Component,
    /// A [`ContainerInput`].
    Container,
}

impl Kind {
    /// Reads a document of this kind. A `null` counts as missing. A document with faults of its shape
    /// is returned too if it can be read with stand-ins, so that its meaning can be checked.
    pub(crate) fn read(self, mut raw: Value) -> (Option<Document>, Faults) {
        drop_nulls(&mut raw);
        match self {
            Self::App => typed(self, raw, Document::App),
            Self::Component => typed(self, raw, Document::Component),
            Self::Container => typed(self, raw, Document::Container),
        }
    }

    /// The JSON Schema of documents of this kind.
    pub fn schema(self) -> Value {
        schema::of(self).document.clone()
    }
}

/// Reads a text as a document. The faults are those of any JSON.
pub fn parse(text: &[u8]) -> Result<Value, Faults> {
    let fault = |message| Faults(vec![Fault { path: String::new(), message }]);
    if text.is_empty() {
        return Err(fault("there is no document; it is the workflow's one input".to_owned()));
    }
    serde_json::from_slice(text).map_err(|error| {
        let deep = error.to_string().starts_with("recursion limit");
        fault(match deep {
            true => too_deep("more than 127"),
            false => format!("the document is no JSON: {error}"),
        })
    })
}

fn typed<T: DeserializeOwned>(
    kind: Kind,
    mut raw: Value,
    document: fn(Box<T>) -> Document,
) -> (Option<Document>, Faults) {
    let mut faults = Faults::default();
    faults.check("", fits(&raw));
    if !faults.0.is_empty() {
        return (None, faults);
    }
    let schema = schema::of(kind);
    let mut mends = Vec::new();
    for error in schema.validator.iter_errors(&raw) {
        note(&mut faults, &error);
        mends.extend(mend::mends(&schema.document, &error));
    }
    for (pointer, mend) in mends {
        mend::apply(&mut raw, &pointer, mend);
    }
    match serde_json::from_value(raw) {
        Ok(spec) => (Some(document(Box::new(spec))), faults),
        Err(error) => {
            if faults.0.is_empty() {
                faults.add("", error.to_string());
            }
            (None, faults)
        }
    }
}

/// Whether a document has a size that the engine and the steps can bear.
fn fits(raw: &Value) -> Result<(), String> {
    let depth = depth(raw);
    if depth > bounds::DEPTH {
        return Err(too_deep(&depth.to_string()));
    }
    let resolved = raw.get("resolved").map_or(0, |resolved| resolved.to_string().len());
    let size = bounds::at_most(raw.to_string().len() - resolved, bounds::DOCUMENT_BYTES, "bytes");
    size.map_err(|fault| format!("the document has {fault}"))
}

fn too_deep(depth: &str) -> String {
    format!("the document has {depth} levels; at most {} are accepted", bounds::DEPTH)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            // The values of a template are the user's own.
            map.iter_mut()
                .filter(|(name, _)| *name != "template")
                .for_each(|(_, value)| drop_nulls(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn note(faults: &mut Faults, error: &jsonschema::ValidationError<'_>) {
    let path = dotted(error.instance_path().as_str());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            for name in unexpected {
                faults.add(member(&path, name), "unknown field");
            }
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            faults.add(member(&path, name), "missing; this field is required");
        }
        ValidationErrorKind::Type { .. } => {
            let found = quoted(&error.instance().to_string());
            let wanted = error.to_string();
            let wanted = wanted.rsplit(" is not of ").next().unwrap_or_default();
            faults
                .add(path, format!("{found}; accepted is a value of {}", wanted.replace('"', "")));
        }
        _ => faults.add(path, error.to_string()),
    }
}

/// `/components/1/name` as `components[1].name`.
fn dotted(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        match part.parse::<usize>() {
            Ok(index) => format!("{path}[{index}]"),
            Err(_) => member(&path, &part),
        }
    })
}

/// The path of a field of the object at `path`.
pub fn member(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The raw defaults of a component's containers: its own fields over the fields of the app. The parts
/// of `resources` and `timeouts` are inherited one by one.
pub(crate) fn inherit(defaults: &Value, component: &Value) -> Value {
    let mut merged = defaults.as_object().cloned().unwrap_or_default();
    for (name, own) in component.as_object().into_iter().flatten() {
        match (name.as_str(), own, merged.get_mut(name)) {
            ("name" | "containers" | "chart" | "files", _, _) | (_, Value::Null, _) => {}
            ("resources" | "timeouts", Value::Object(own), Some(Value::Object(base))) => {
                base.extend(own.clone().into_iter().filter(|(_, value)| !value.is_null()));
            }
            _ => {
                merged.insert(name.clone(), own.clone());
            }
        }
    }
    Value::Object(merged)
}
