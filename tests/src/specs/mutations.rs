//! Random changes to a spec.

use serde_json::{Value, json};

/// A change: the number of a node, and what happens to it.
pub type Mutation = (u16, u8);

/// Changes one node of a document, counted in the order of reading.
pub fn mutate(document: &mut Value, (node, change): Mutation) {
    let count = count(document);
    let mut left = usize::from(node) % count;
    change_at(document, &mut left, change);
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn change_at(value: &mut Value, left: &mut usize, change: u8) -> bool {
    if *left == 0 {
        *value = changed(value, change);
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change_at(item, left, change)),
        Value::Object(fields) => fields.values_mut().any(|field| change_at(field, left, change)),
        _ => false,
    }
}

fn changed(value: &Value, change: u8) -> Value {
    let old = value.clone();
    match change % 24 {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(50.0),
        4 => json!(1e300),
        5 => json!(u64::MAX),
        6 => json!(""),
        7 => json!("\u{0}"),
        8 => json!("ä€😀\u{202e}"),
        9 => json!("x".repeat(2_000)),
        10 => json!("a.b/c"),
        11 => json!([]),
        12 => json!({}),
        13 => json!([old]),
        14 => json!([old, old]),
        15 => json!({"x": old}),
        16 => json!({"git": old, "url": old, "name": old}),
        17 => nested(old, 60),
        18 => nested(old, 100),
        19 => json!("{{ commit }}{% raw"),
        20 => json!({"": {"/": {"~1": {".": old}}}}),
        21 => json!(vec![0; 600]),
        22 => json!({"resolved": {"commits": {}, "root": ""}}),
        _ => match old {
            Value::Object(mut fields) => {
                fields.insert("more".to_owned(), json!(1));
                fields.into()
            }
            Value::Array(mut items) => {
                items.extend(items.first().cloned());
                items.into()
            }
            Value::String(text) => json!(text.to_uppercase()),
            other => other,
        },
    }
}

fn nested(value: Value, levels: usize) -> Value {
    (0..levels).fold(value, |value, _| json!([value]))
}

/// Changes one byte of a text.
pub fn bite(text: &mut Vec<u8>, (at, change): (u16, u8)) {
    if text.is_empty() {
        return;
    }
    let at = usize::from(at) % text.len();
    match change % 4 {
        0 => drop(text.remove(at)),
        1 => text.insert(at, change),
        2 => text[at] = change,
        _ => text.truncate(at),
    }
}
