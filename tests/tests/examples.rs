//! The examples are right: each validates against the published schema, and has a plan.

use std::path::Path;

use kilnworks_workflows::{document::Kind, plan};
use serde_json::Value;

fn filled_in(text: &str) -> Value {
    let text = text
        .replace("${KILN_REGISTRY}", "registry.example.com")
        .replace("${KILN_GIT_URL}", "https://git.example.com")
        .replace("${KILN_BASE_IMAGE}", "registry.example.com/debian:bookworm");
    assert!(!text.contains("${KILN"), "a value is not filled in: {text}");
    serde_saphyr::from_str(&text).expect("YAML")
}

#[test]
fn every_example_validates_and_has_a_plan() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let validator = jsonschema::validator_for(&Kind::App.schema()).expect("a schema");
    let mut checked = 0;
    for entry in std::fs::read_dir(examples).expect("the examples") {
        let spec = entry.expect("an example").path().join("app.yaml");
        if !spec.exists() {
            continue; // The pipelines take their spec as an input.
        }
        let document = filled_in(&std::fs::read_to_string(&spec).expect("a spec"));
        let faults: Vec<_> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", spec.display());
        let (_, plan) = plan::read(Kind::App, document).expect("a plan");
        assert!(plan.containers().count() >= 5);
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn the_documents_specs_have_a_plan() {
    for page in ["README.md", "docs/developers.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
        let text = std::fs::read_to_string(path).expect(page);
        let spec = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
        let document = filled_in(spec.expect("a spec"));
        plan::read(Kind::App, document).unwrap_or_else(|faults| panic!("{page}: {faults}"));
    }
}
