//! Containers that are built from others: what is accepted, and the faults.

use kilnworks_workflows::{
    bounds,
    document::Kind,
    fault::Faults,
    plan::{self, Plan},
};
use serde_json::{Value, json};

/// Components with their containers, each with its bases. Null makes it an image that is used as it is.
fn read(components: Value) -> Result<Plan, Faults> {
    let container = |(name, from): (&String, &Value)| match from {
        Value::Null => json!({"name": name, "image": "registry.example.com/x:1"}),
        from => json!({"name": name, "from": from}),
    };
    let components = components.as_object().expect("components").iter().map(|(name, own)| {
        let own = own.as_object().expect("containers").iter().map(container);
        json!({"name": name, "containers": own.collect::<Vec<_>>()})
    });
    let document = json!({
        "apiVersion": "kilnworks/v1",
        "app": "shop",
        "defaults": defaults(),
        "components": components.collect::<Vec<_>>(),
    });
    plan::read(Kind::App, document).map(|(_, plan)| plan)
}

fn defaults() -> Value {
    json!({
        "registry": {"prefix": "registry.example.com/shop"},
        "source": {"git": {"url": "https://git.example.com/shop.git"}},
    })
}

fn told(faults: Faults) -> Vec<String> {
    faults.0.iter().map(ToString::to_string).collect()
}

#[test]
fn a_base_is_named_with_or_without_its_component() {
    let plan = read(json!({
        "web": {"server": "base", "admin": ["base", "web/base", "data/tools"], "base": []},
        "data": {"tools": []},
    }));
    let plan = plan.expect("the spec is right");
    let build = |index: usize| {
        plan.containers().nth(index).and_then(|one| one.work.as_build()).expect("a build")
    };
    assert_eq!(build(0).from, ["web/base"]);
    assert!(build(0).template.is_some(), "its Dockerfile is to name the image");
    assert_eq!(build(1).from, ["web/base", "data/tools"]);
    assert!(build(2).from.is_empty() && build(2).template.is_none());
    assert_eq!(plan.components[0].needs().collect::<Vec<_>>(), ["data/tools"]);
    assert_eq!(plan.components[1].needs().count(), 0);
}

#[test]
fn each_fault_names_the_invalid_base() {
    let at = "components[0].containers[0].from";
    let table = [
        (
            json!({"web": {"a": "bsae", "base": []}}),
            vec!["`web/bsae`: there is no container `bsae` in `web`; there are `a`, `base`"],
        ),
        (
            json!({"web": {"a": "date/x"}, "data": {"x": []}}),
            vec!["`date/x`: there is no component `date`; there are `web`, `data`"],
        ),
        (
            json!({"web": {"a": "b", "b": null}}),
            vec![
                "`web/b` is not built; name its image `registry.example.com/x:1` in the Dockerfile",
            ],
        ),
        (json!({"web": {"a": "B_"}}), vec!["`B_`; accepted is a container of the same"]),
        (json!({"web": {"a": "x/y/z"}}), vec!["`x/y/z`; accepted is a container of the same"]),
        (json!({"web": {"a": 7}}), vec!["`7`; accepted is a value of types string, array"]),
        (json!({"web": {"a": "a"}}), vec!["a cycle: `web/a` → `web/a`; each is built from"]),
        (
            json!({"web": {"a": "b", "b": ["d", "c"], "c": "a", "d": []}}),
            vec!["a cycle: `web/a` → `web/b` → `web/c` → `web/a`; each is built from"],
        ),
        (
            json!({"web": {"a": ["b", "c"], "b": "a", "c": "a"}}),
            vec!["a cycle: `web/a` → `web/b` → `web/a`", "a cycle: `web/a` → `web/c` → `web/a`"],
        ),
        (
            json!({"web": {"a": "data/x"}, "data": {"x": "web/a"}}),
            vec!["a cycle: `web/a` → `data/x` → `web/a`; each is built from the next"],
        ),
        (
            json!({"web": {"a": "data/x", "b": []}, "data": {"x": [], "y": "web/b"}}),
            vec!["a cycle: `web` → `data` → `web`; a component is built as a whole before"],
        ),
    ];
    for (components, expected) in table {
        let found = told(read(components.clone()).expect_err("it is wrong"));
        assert_eq!(found.len(), expected.len(), "{components}: {found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(&format!("{at}: {expected}")), "{components}: {found}");
        }
    }
}

#[test]
fn a_cycle_is_reported_once_and_a_long_one_is_cut() {
    let ring = (0..40).map(|index| (format!("c{index}"), json!(format!("c{}", (index + 1) % 40))));
    let mut containers = serde_json::Map::from_iter([("a".to_owned(), json!("c0"))]);
    containers.extend(ring);
    let found = told(read(json!({"web": containers})).expect_err("it is wrong"));
    assert_eq!(found.len(), 1, "{found:#?}");
    let begin = "components[0].containers[1].from: a cycle: `web/c0` → `web/c1` → ";
    assert!(found[0].starts_with(begin) && found[0].contains("… (31 more)"), "{found:?}");
}

#[test]
fn a_container_has_a_largest_number_of_bases() {
    let components = |count: usize| {
        let mut containers = serde_json::Map::new();
        containers.insert("a".to_owned(), vec!["b"; count].into());
        containers.insert("b".to_owned(), json!([]));
        json!({"web": containers})
    };
    assert!(read(components(bounds::FROM)).is_ok());
    let found = told(read(components(bounds::FROM + 1)).expect_err("it is wrong"));
    assert!(found[0].contains(".from: 17 entries; at most 16 are accepted"), "{found:?}");
}

#[test]
fn two_containers_with_the_same_base_are_no_cycle() {
    let plan = read(json!({"web": {"a": ["b", "c"], "b": "d", "c": "d", "d": []}}));
    assert!(plan.is_ok(), "{plan:?}");
    let others = read(json!({"web": {"a": "data/x", "b": "data/y"}, "data": {"x": "y", "y": []}}));
    assert!(others.is_ok(), "{others:?}");
}

#[test]
fn an_image_that_is_used_as_it_is_has_no_base() {
    let mut container = json!({"name": "a", "image": "registry.example.com/x:1", "from": "b"});
    let document = |container: &Value| {
        json!({
            "app": "shop", "defaults": defaults(),
            "component": {"name": "web", "containers": [container, {"name": "b"}]},
        })
    };
    let found = told(plan::read(Kind::Component, document(&container)).expect_err("it is wrong"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("component.containers[0].from: not accepted beside `image`"));
    container["image"] = Value::Null;
    assert!(plan::read(Kind::Component, document(&container)).is_ok());
}

#[test]
fn a_child_knows_only_the_bases_that_its_parent_hands_down() {
    let component = json!({"name": "web", "containers": [{"name": "a", "from": "data/x"}]});
    let container = json!({"name": "a", "from": "base"});
    let table = [
        (Kind::Component, component, "data/x", "`data/x` is not known to a component alone"),
        (Kind::Container, container, "web/base", "`web/base` is not known to a container alone"),
    ];
    for (kind, part, name, expected) in table {
        let mut document = json!({"app": "shop", "defaults": defaults()});
        match kind {
            Kind::Component => document["component"] = part,
            _ => (document["component"], document["container"]) = (json!("web"), part),
        }
        let found = told(plan::read(kind, document.clone()).expect_err("it is wrong"));
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        let image = format!("registry.example.com/x@sha256:{}", "0".repeat(64));
        document["resolved"] = json!({"root": "r", "images": {name: image}});
        assert!(plan::read(kind, document).is_ok());
    }
}
