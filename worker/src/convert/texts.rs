//! Values that a build is given, kept as they are: no template, and no credential among them.

use serde_json::{Map, Value, json};

use super::{container::Means, fields::Fields, reading::Reading};

/// The values of a map, none of them a template and none of them a credential.
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
            means.reading.note(&path, "nothing is given; it is an empty text");
            json!("")
        });
        let Some(value) = accepted(means.reading, &path, value) else {
            continue;
        };
        let value = filled(means.reading, &path, value);
        match means.credentials.are_in(&value.to_string()) {
            true => {
                let why = "it holds `ciToken`, which enters no spec; see `secrets` of a container";
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

/// A text that the renderer of a spec leaves as it is: the predecessor rendered Dockerfiles only.
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
    fn what_looks_like_a_template_is_quoted() {
        assert_eq!(literal("$(x) ${x} {x} }}"), "$(x) ${x} {x} }}");
        assert_eq!(literal("{{.Id}} \"x\""), r#"{{ "{{.Id}} \"x\"" }}"#);
        assert_eq!(literal("{% x"), r#"{{ "{% x" }}"#);
        assert_eq!(literal("${#x}"), r#"{{ "${#x}" }}"#);
    }
}
