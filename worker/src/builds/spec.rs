//! Reads and validates a spec in YAML or JSON.

use std::path::Path;

use kilnworks_workflows::{
    document::Kind,
    fault::Faults,
    plan::{self, Plan},
};
use serde_json::{Value, json};

use crate::{
    cli::input::{name_of, text_of},
    output::Error,
};

/// A valid spec.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The document, which is the input of the build.
    pub(crate) document: Value,
    /// The plan of the document.
    pub(crate) plan: Plan,
}

/// Values of the command line that override the document.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overrides<'a> {
    /// The version of the app.
    pub(crate) version: Option<&'a str>,
    /// Build every image, even if it exists already.
    pub(crate) no_reuse: bool,
    /// Build only if something changed.
    pub(crate) only_if_changed: bool,
}

/// Reads a spec. An error lists every fault.
pub(crate) fn read(path: &Path, overrides: Overrides<'_>) -> Result<Spec, Error> {
    let name = name_of(path);
    let text = text_of(path).map_err(|error| {
        Error::input(format!("cannot read the spec: {error}"))
            .at(&name)
            .hint("give a YAML or JSON file, or `-` for standard input")
    })?;
    let mut document = parse(&text, &name)?;
    if let (Some(version), Some(document)) = (overrides.version, document.as_object_mut()) {
        document.insert("version".to_owned(), version.into());
    }
    if let (true, Some(document)) = (overrides.only_if_changed, document.as_object_mut()) {
        document.insert("onlyIf".to_owned(), "changed".into());
    }
    if overrides.no_reuse {
        never_reuse(&mut document);
    }
    let plan = check(document.clone()).map_err(|faults| {
        Error::input(faults.to_string()).at(&name).hint("`kiln schema` prints the schema")
    })?;
    Ok(Spec { document, plan })
}

/// Sets `reuse: never`, also where a component or a container says otherwise.
fn never_reuse(document: &mut Value) {
    let Some(document) = document.as_object_mut() else { return };
    // A full build does not depend on changes.
    document.remove("onlyIf");
    let components = document.get_mut("components").and_then(Value::as_array_mut);
    for component in components.into_iter().flatten().filter_map(Value::as_object_mut) {
        component.remove("reuse");
        let containers = component.get_mut("containers").and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("reuse");
        }
    }
    let defaults = document.entry("defaults").or_insert_with(|| json!({}));
    if defaults.is_null() {
        *defaults = json!({});
    }
    if let Some(defaults) = defaults.as_object_mut() {
        defaults.insert("reuse".to_owned(), "never".into());
    }
}

/// Parses one document. JSON is valid YAML, so one parser reads both.
fn parse(text: &str, name: &str) -> Result<Value, Error> {
    serde_saphyr::from_str(text).map_err(|error| {
        let (at, what) = yaml_fault(&error, name);
        Error::input(format!("the spec is not one YAML or JSON document: {what}")).at(at)
    })
}

/// The position of a parser error in the file `name`, and its message, which repeats no text of the file.
pub(crate) fn yaml_fault(error: &serde_saphyr::Error, name: &str) -> (String, String) {
    let at = match error.location() {
        Some(at) => format!("{name}:{}:{}", at.line(), at.column()),
        None => name.to_owned(),
    };
    let what = error.without_snippet();
    let what = what.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    // The position has a line of its own.
    let what = what.split(" at line ").next().unwrap_or_default();
    (at, what.to_owned())
}

fn check(document: Value) -> Result<Plan, Faults> {
    plan::read(Kind::App, document).map(|(_, plan)| plan)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{check, never_reuse, parse};

    #[test]
    fn no_reuse_overrides_the_spec() {
        let mut document = json!({
            "defaults": null,
            "onlyIf": "changed",
            "components": [{"reuse": "full", "containers": [{"name": "a", "reuse": "full"}]}]
        });
        never_reuse(&mut document);
        let expected = json!({
            "defaults": {"reuse": "never"},
            "components": [{"containers": [{"name": "a"}]}]
        });
        assert_eq!(document, expected);
    }

    fn error(text: &str) -> String {
        match parse(text, "app.yaml") {
            Ok(value) => format!("accepted as {value}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn errors_name_line_and_column() {
        insta::assert_snapshot!("duplicate_key", error("app: a\nversion: 1\napp: b\n"));
        insta::assert_snapshot!("two_documents", error("app: a\n---\napp: b\n"));
        insta::assert_snapshot!("bad_indent", error("app: a\n  components:\n- x\n"));
        insta::assert_snapshot!("unclosed", error("{\"app\": \"a\",\n \"components\": [\n"));
    }

    #[test]
    fn json_is_accepted() {
        let json = "{\n\t\"app\": \"a\\/b\\u00e9\", \"n\": [1, 2.5, true, null]\n}";
        let value = parse(json, "-").unwrap();
        assert_eq!(value, serde_json::json!({"app": "a/bé", "n": [1, 2.5, true, null]}));
    }

    #[test]
    fn all_faults_are_reported_together() {
        let document = parse("apiVersion: kilnworks/v1\napp: Shop\ncomponent: []\n", "-").unwrap();
        let faults = check(document).unwrap_err().to_string();
        assert!(faults.contains("component: unknown field"), "{faults}");
        assert!(faults.contains("components: missing"), "{faults}");
        let text = "apiVersion: kilnworks/v1\napp: Shop\nx: 1\ncomponents: [{name: Web, containers: [{name: a, image: b}]}]\n";
        let faults = check(parse(text, "-").unwrap()).unwrap_err().to_string();
        for fault in ["x: unknown field", "app: `Shop`", "components[0].name: `Web`"] {
            assert!(faults.contains(fault), "{faults}");
        }
    }
}
