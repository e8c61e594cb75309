//! The shape of a document: raw JSON in, a typed spec or every structural fault out.

use jsonschema::error::ValidationErrorKind;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    fault::{Faults, quoted},
    spec::{AppSpec, ComponentInput, ContainerInput},
};

/// The largest accepted document, in bytes of compact JSON. Far below the engine's 2 MB for a
/// payload, since a document travels once more in parts to the children.
pub const MAX_BYTES: usize = 1024 * 1024;

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
    /// Reads a document of this kind; a `null` counts as left out. Beside the faults of its shape
    /// it gives what can be read in spite of them, so that its meaning can be checked as well.
    pub(crate) fn read(self, mut raw: Value) -> (Option<Document>, Faults) {
        drop_nulls(&mut raw);
        match self {
            Self::App => typed(raw, Document::App),
            Self::Component => typed(raw, Document::Component),
            Self::Container => typed(raw, Document::Container),
        }
    }

    /// The JSON Schema of documents of this kind.
    pub fn schema(self) -> Value {
        match self {
            Self::App => schema::<AppSpec>(),
            Self::Component => schema::<ComponentInput>(),
            Self::Container => schema::<ContainerInput>(),
        }
    }
}

fn typed<T: DeserializeOwned + JsonSchema>(
    mut raw: Value,
    document: fn(Box<T>) -> Document,
) -> (Option<Document>, Faults) {
    let mut faults = Faults::default();
    let size = raw.to_string().len();
    if size > MAX_BYTES {
        let message = format!("the document has {size} bytes; at most {MAX_BYTES} are accepted");
        faults.add("", message);
        return (None, faults);
    }
    let validator = jsonschema::validator_for(&schema::<T>()).expect("our own schema is valid");
    let mut mends = Vec::new();
    for error in validator.iter_errors(&raw) {
        note(&mut faults, &error);
        mends.extend(mends_of(&error));
    }
    for (pointer, mend) in mends {
        apply(&mut raw, &pointer, mend);
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

/// What makes the rest of a document readable where one place is wrong: a stand-in of the right
/// type, or nothing. What is found at such a place later is not told ([`Faults::extend`]).
fn mends_of(error: &jsonschema::ValidationError<'_>) -> Vec<(String, Option<Value>)> {
    let at = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let escaped = unexpected.iter().map(|name| name.replace('~', "~0").replace('/', "~1"));
            escaped.map(|name| (format!("{at}/{name}"), None)).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let stand_in = match name {
                "components" | "containers" => Value::Array(Vec::new()),
                _ => Value::String(String::new()),
            };
            vec![(format!("{at}/{name}"), Some(stand_in))]
        }
        ValidationErrorKind::Type { .. } if error.to_string().ends_with("\"string\"") => {
            vec![(at.to_owned(), Some(Value::String(String::new())))]
        }
        ValidationErrorKind::Type { .. } if error.to_string().ends_with("\"array\"") => {
            vec![(at.to_owned(), Some(Value::Array(Vec::new())))]
        }
        _ => vec![(at.to_owned(), None)],
    }
}

/// Puts a stand-in at a place, or takes away what is there. An item of an array is never taken
/// away: the places of the others count.
fn apply(raw: &mut Value, pointer: &str, mend: Option<Value>) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match (raw.pointer_mut(parent), mend) {
        (Some(Value::Object(parent)), Some(stand_in)) => drop(parent.insert(name, stand_in)),
        (Some(Value::Object(parent)), None) => drop(parent.remove(&name)),
        (Some(Value::Array(items)), Some(stand_in)) => {
            if let Some(item) = name.parse().ok().and_then(|at: usize| items.get_mut(at)) {
                *item = stand_in;
            }
        }
        _ => {}
    }
}

/// The schema without `null`s: a reader takes them for left out, so they need not be written down.
fn schema<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12()
        .with_transform(schemars::transform::RecursiveTransform(no_null))
        .into_generator();
    generator.into_root_schema_for::<T>().into()
}

fn no_null(schema: &mut schemars::Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(any)) = object.get_mut("anyOf") {
        any.retain(|one| one.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = any.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
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

/// The raw defaults of a component's containers: its own fields over the app's. As in the
/// lowering, the parts of `resources` and `timeouts` are inherited one by one.
pub(crate) fn inherit(defaults: &Value, component: &Value) -> Value {
    let mut merged = defaults.as_object().cloned().unwrap_or_default();
    for (name, own) in component.as_object().into_iter().flatten() {
        match (name.as_str(), own, merged.get_mut(name)) {
            ("name" | "containers", _, _) | (_, Value::Null, _) => {}
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
