//! Values of build arguments and templates. They are never templates themselves and never credentials.

use serde_json::{Map, Value, json};

use super::{
    fields::Fields,
    reading::{Means, Reading},
};

/// The values of a map, without credentials and with template syntax escaped.
pub(super) fn values_of(
    means: &mut Means<'_>,
    build: &mut Fields,
    name: &str,
    accepted: fn(&mut Reading, &str, Value) -> Option<Value>,
) -> Map<String, Value> {
    let mut given = build.map(means.reading, name);
    let mut values = Map::new();
    for name in given.names() {
        let path = given.at(&name);
        let value = given.take(&name).unwrap_or_else(|| {
            means.reading.note(&path, "missing; the value is an empty text");
            json!("")
        });
        let Some(value) = accepted(means.reading, &path, value) else {
            continue;
        };
        let value = filled(means.reading, &path, value);
        match means.credentials.are_in(&value.to_string()) {
            true => {
                let why = "it contains `ciToken`, which must not be in a spec; see `secrets` of a container";
                means.reading.left_out(&path, why);
            }
            false => {
                values.insert(name, value);
            }
        }
    }
    values
}

fn filled(reading: &mut Reading, path: &str, value: Value) -> Value {
    match value {
        Value::String(text) => json!(literal(&reading.fill(path, &text))),
        Value::Array(items) => items.into_iter().map(|item| filled(reading, path, item)).collect(),
        Value::Object(fields) => {
            let fill = |(name, value)| (name, filled(reading, path, value));
            Value::Object(fields.into_iter().map(fill).collect())
        }
        Value::Null => json!(""),
        other => other,
    }
}

/// Escapes a text, so that Kilnworks does not render it. SREWorks rendered only Dockerfiles.
pub(super) fn literal(text: &str) -> String {
    match ["{{", "{%", "{#"].iter().any(|open| text.contains(open)) {
        true => format!("{{{{ {} }}}}", json!(text)),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn template_syntax_is_escaped() {
        assert_eq!(literal("$(x) ${x} {x} }}"), "$(x) ${x} {x} }}");
        assert_eq!(literal("{{.Id}} \"x\""), r#"{{ "{{.Id}} \"x\"" }}"#);
        assert_eq!(literal("{% x"), r#"{{ "{% x" }}"#);
        assert_eq!(literal("${#x}"), r#"{{ "${#x}" }}"#);
    }
}
