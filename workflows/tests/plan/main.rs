//! The plan of a valid spec, and the faults of an invalid one.

mod faults;

use kilnworks_workflows::{
    document::Kind,
    fault::Faults,
    plan::{self, ContainerPlan, Plan, Work},
};
use serde_json::{Value, json};

fn spec() -> Value {
    json!({
        "apiVersion": "kilnworks/v1",
        "app": "shop",
        "defaults": {
            "registry": {"prefix": "registry.example.com:5000/shop"},
            "source": {"git": {"url": "https://git.example.com/shop.git"}},
            "resources": {"cpu": "1", "memory": "1Gi"},
            "pushSecret": "push"
        },
        "components": [{
            "name": "web",
            "containers": [{"name": "server"}]
        }]
    })
}

fn read(document: Value) -> Result<Plan, Faults> {
    plan::read(Kind::App, document).map(|(_, plan)| plan)
}

fn faults(document: Value) -> Vec<String> {
    match read(document) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

fn container(document: Value) -> ContainerPlan {
    read(document).expect("the spec is right").containers().next().expect("one").clone()
}

/// The spec with a value put at a JSON pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = spec();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items.push(value),
        parent => parent[name] = value,
    }
    document
}

#[test]
fn the_innermost_value_applies() {
    let mut document = spec();
    document["components"][0]["pushSecret"] = json!("components");
    document["components"][0]["resources"] = json!({"memory": "4Gi"});
    document["components"][0]["containers"][0]["resources"] = json!({"cpu": "2"});
    let plan = container(document);
    let build = plan.work.as_build().unwrap();
    assert_eq!(plan.registry.secret.as_deref(), Some("components"));
    assert_eq!((build.resources.cpu.as_str(), build.resources.memory.as_str()), ("2", "4Gi"));
}

#[test]
fn platforms_are_sorted_and_the_innermost_list_applies() {
    let mut document = spec();
    document["defaults"]["platforms"] = json!(["linux/s390x"]);
    document["components"][0]["platforms"] = json!(["linux/arm64", "linux/amd64"]);
    let platforms =
        |document: Value| container(document).work.as_build().unwrap().platforms.clone();
    assert_eq!(platforms(document.clone()), ["linux/amd64", "linux/arm64"]);
    let plan = read(document.clone()).unwrap();
    assert_eq!(plan.components[0].containers[0].several().len(), 2);
    document["components"][0]["containers"][0]["platforms"] = json!(["linux/arm/v7"]);
    let plan = read(document.clone()).unwrap();
    assert!(plan.components[0].containers[0].several().is_empty(), "one image is one image");
    assert_eq!(platforms(document), ["linux/arm/v7"]);
    let json = serde_json::to_value(read(spec()).unwrap()).unwrap().to_string();
    assert!(!json.contains("platforms"), "a spec without any is the plan that it was");
}

#[test]
fn paths_are_normalized() {
    let mut document = spec();
    document["components"][0]["containers"][0]["contextDir"] = json!("./a//b/");
    let plan = container(document);
    assert_eq!(plan.work.as_build().unwrap().context_dir, "a/b");
    assert_eq!(container(spec()).work.as_build().unwrap().context_dir, "");
}

#[test]
fn a_dockerfile_is_a_template_by_values_or_by_name() {
    let template = |fields: Value| {
        let mut document = spec();
        let target = document["components"][0]["containers"][0].as_object_mut().unwrap();
        target.extend(fields.as_object().unwrap().clone());
        container(document).work.as_build().unwrap().template.clone()
    };
    assert!(template(json!({})).is_none());
    assert!(template(json!({"template": {}})).is_some());
    assert!(template(json!({"dockerfile": "Dockerfile.tpl"})).is_some());
    assert!(template(json!({"dockerfile": "app/Dockerfile.j2"})).is_some());
    assert!(template(json!({"dockerfile": "Dockerfile.prod"})).is_none());
}

#[test]
fn a_null_counts_as_missing() {
    let mut document = spec();
    document["components"][0]["containers"][0]["buildArgs"] = Value::Null;
    document["version"] = Value::Null;
    assert_eq!(faults(document), Vec::<String>::new());
}

#[test]
fn an_image_is_used_as_it_is() {
    let mut document = spec();
    document["components"][0]["containers"][0]["image"] = json!("registry.example.com/x:1");
    document["components"][0]["containers"][0]["timeouts"] = json!({"whole": "9m"});
    let work = container(document).work;
    assert!(matches!(&work, Work::Use { image, .. } if image == "registry.example.com/x:1"));
    assert_eq!(work.timeouts().whole, 540);
}

#[test]
fn each_distinct_source_is_listed_once() {
    let mut document = spec();
    document["components"][0]["containers"] = json!([
        {"name": "a"}, {"name": "b"},
        {"name": "c", "source": {"git": {"url": "git@git.example.com:c.git"}}}
    ]);
    let plan = read(document).unwrap();
    let keys: Vec<_> = plan.sources().iter().map(|source| source.key()).collect();
    assert_eq!(keys, ["https://git.example.com/shop.git#HEAD", "git@git.example.com:c.git#HEAD"]);
}

#[test]
fn packages_have_the_prefix_of_the_images() {
    let mut document = spec();
    document["components"][0]["files"] = json!([{"path": "./deploy//web.yaml"}]);
    document["components"][0]["chart"] = json!("charts/web/");
    document["version"] = json!("auto");
    let plan = read(document).expect("the spec is right");
    assert_eq!((plan.auto_version, plan.version.as_deref()), (true, None));
    let app = plan.delivery.as_ref().expect("the app has a package");
    assert_eq!(app.place.repository, "registry.example.com:5000/shop/shop");
    assert_eq!((&app.source, app.place.registry.secret.as_deref()), (&None, Some("push")));
    let component = plan.components[0].delivery.as_ref().expect("the component has a package");
    assert_eq!(component.place.repository, "registry.example.com:5000/shop/shop-web");
    assert_eq!(component.files[0].name.as_deref(), Some("deploy/web.yaml"));
    assert_eq!(component.chart.as_deref(), Some("charts/web"));
    assert!(component.source.is_some());
    assert_eq!(plan.own_delivery(), plan.delivery.as_ref());
}

#[test]
fn without_a_registry_there_is_no_package() {
    let mut document = spec();
    document["defaults"] = json!({});
    document["components"][0]["containers"][0]["image"] = json!("registry.example.com/x:1");
    assert_eq!(read(document.clone()).expect("the spec is right").own_delivery(), None);
    document["version"] = json!("auto");
    assert!(faults(document)[0].starts_with("version: `auto` looks into the registry"));
}

#[test]
fn images_are_reused_unless_the_spec_says_otherwise() {
    let reuse = |fields: Value| {
        let mut document = spec();
        let target = document["components"][0]["containers"][0].as_object_mut().unwrap();
        target.extend(fields.as_object().unwrap().clone());
        container(document).work.as_build().unwrap().reuse.clone()
    };
    let cache = Some("registry.example.com:5000/shop/kiln-cache".to_owned());
    assert_eq!(reuse(json!({})), cache);
    assert_eq!(reuse(json!({"reuse": "full"})), cache);
    assert_eq!(reuse(json!({"reuse": "never"})), None);
    assert_eq!(reuse(json!({"pin": false})), None);
}

#[test]
fn the_schema_has_no_nulls_and_refuses_unknown_fields() {
    for kind in [Kind::App, Kind::Component, Kind::Container] {
        let schema = kind.schema().to_string();
        assert!(!schema.contains(r#""null""#), "{schema}");
        assert!(schema.contains(r#""additionalProperties":false"#));
    }
}

#[test]
fn only_if_changed_needs_images_with_a_content_key() {
    let mut document = with("/onlyIf", json!("changed"));
    assert!(read(document.clone()).expect("it is right").only_if_changed);
    assert!(!read(spec()).expect("it is right").only_if_changed);
    document["components"][0]["containers"][0]["reuse"] = json!("never");
    let found = faults(document.clone());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("onlyIf: `changed` never holds back `web/server`"), "{found:?}");
    document["components"][0]["containers"][0] =
        json!({"name": "server", "image": "registry.example.com/alpine:3"});
    document["defaults"]["registry"] = Value::Null;
    let found = faults(document);
    assert!(found[0].starts_with("onlyIf: `changed` compares with the package"), "{found:?}");
    let sometimes = faults(with("/onlyIf", json!("sometimes")));
    assert!(sometimes[0].starts_with("onlyIf: "), "{sometimes:?}");
}

#[test]
fn the_spec_sets_the_priority_and_the_fairness_key() {
    let turn = |document| {
        let container = container(document);
        let build = container.work.as_build().expect("it is built").clone();
        let turn = kilnworks_workflows::policy::turn(&container.app, &build);
        (turn.priority_key, turn.fairness_key)
    };
    assert_eq!(turn(spec()), (Some(3), Some("shop".to_owned())));
    let mut document = with("/defaults/priority", json!(5));
    document["defaults"]["fairnessKey"] = json!("team");
    assert_eq!(turn(document.clone()), (Some(5), Some("team".to_owned())));
    document["components"][0]["containers"][0]["priority"] = json!(2);
    assert_eq!(turn(document).0, Some(2));
    for wrong in [json!(1), json!(6), json!("high")] {
        let found = faults(with("/defaults/priority", wrong));
        assert!(found[0].starts_with("defaults.priority: "), "{found:?}");
    }
    let found = faults(with("/defaults/fairnessKey", json!("a team")));
    assert!(found[0].starts_with("defaults.fairnessKey: `a team`"), "{found:?}");
}
