//! Stand-ins for the invalid places of a document, so that one fault hides no other. Later faults at
//! such a place are left out ([`crate::fault::Faults::extend`]).

use jsonschema::{ValidationError, error::ValidationErrorKind};
use serde_json::Value;

/// The places to mend, as JSON pointers, and their stand-ins; none removes the field.
pub(super) fn mends(schema: &Value, error: &ValidationError<'_>) -> Vec<(String, Option<Value>)> {
    let at = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let escaped = unexpected.iter().map(|name| name.replace('~', "~0").replace('/', "~1"));
            escaped.map(|name| (format!("{at}/{name}"), None)).collect()
        }
        ValidationErrorKind::Required { property } => {
            let at = format!("{at}/{}", property.as_str().unwrap_or_default());
            let stand_in = stand_in_at(schema, &at);
            vec![(at, stand_in)]
        }
        _ => vec![(at.to_owned(), stand_in_at(schema, at))],
    }
}

/// Puts a stand-in at a place, or removes a field. Items of an array keep their places.
pub(super) fn apply(raw: &mut Value, pointer: &str, mend: Option<Value>) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    let name = unescaped(name);
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

/// The least that the schema accepts at a place.
fn stand_in_at(schema: &Value, pointer: &str) -> Option<Value> {
    let names = pointer.split('/').skip(1);
    let node = names.map(unescaped).try_fold(schema, |node, name| {
        let node = resolved(schema, node);
        let field = node["properties"].get(name);
        field.or_else(|| node.get("additionalProperties")).or_else(|| node.get("items"))
    });
    stand_in(schema, node?)
}

fn stand_in(schema: &Value, node: &Value) -> Option<Value> {
    let node = resolved(schema, node);
    Some(match node["type"].as_str()? {
        "string" => Value::String(String::new()),
        "array" => Value::Array(Vec::new()),
        "boolean" => Value::Bool(false),
        "integer" => node.get("minimum").cloned().unwrap_or_else(|| 0.into()),
        "object" => {
            let required = node["required"].as_array().into_iter().flatten();
            let fields = required.filter_map(|name| {
                let name = name.as_str()?;
                Some((name.to_owned(), stand_in(schema, &node["properties"][name])?))
            });
            Value::Object(fields.collect())
        }
        _ => return None,
    })
}

/// A part of the schema, or what it stands for.
fn resolved<'a>(schema: &'a Value, node: &'a Value) -> &'a Value {
    let target = node["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
    target.and_then(|pointer| schema.pointer(pointer)).unwrap_or(node)
}

fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}
