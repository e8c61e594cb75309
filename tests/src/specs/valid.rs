//! Specs without faults, generated from a few numbers, so that proptest shrinks them well.

use kilnworks_workflows::document::Kind;
use proptest::{collection::vec, prelude::*, strategy::ValueTree as _};
use serde_json::{Map, Value, json};

/// The numbers of one spec.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The kind of the document.
    pub kind: Kind,
    /// For each component its containers, each a set of the fields of [`field`].
    pub components: Vec<Vec<u32>>,
    /// A text of any characters, where any text is accepted.
    pub text: String,
}

/// Recipes of all three documents.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    let kind = prop_oneof![
        2 => Just(Kind::App),
        1 => Just(Kind::Component),
        1 => Just(Kind::Container),
    ];
    let components = vec(vec(any::<u32>(), 1..4), 1..4);
    let text = vec(any::<char>(), 0..6).prop_map(|chars| chars.into_iter().collect());
    (kind, components, text).prop_map(|(kind, components, text)| Recipe { kind, components, text })
}

/// Whether a container of these fields is an image used as it is.
pub fn is_used(fields: u32) -> bool {
    fields.is_multiple_of(5)
}

impl Recipe {
    /// The document.
    pub fn document(&self) -> Value {
        let mut components: Vec<_> =
            (0..self.components.len()).map(|index| self.component(index)).collect();
        match self.kind {
            Kind::App => json!({
                "apiVersion": "kilnworks/v1", "app": "shop", "version": "1.0.0+7",
                "defaults": defaults(), "maxParallel": 7, "components": components,
            }),
            Kind::Component => json!({
                "app": "shop", "defaults": defaults(), "component": components.remove(0),
            }),
            Kind::Container => json!({
                "app": "shop", "defaults": defaults(), "component": "part0",
                "container": self.container(0, self.components[0][0]),
            }),
        }
    }

    /// The names that its plan must have, as `component/container`.
    pub fn names(&self) -> Vec<String> {
        let name = |(component, container)| format!("part{component}/box{container}");
        self.containers().into_iter().map(|(at, _)| name(at)).collect()
    }

    /// The containers of the document, by their component's place and their own, with their fields.
    pub fn containers(&self) -> Vec<((usize, usize), u32)> {
        let all = self.components.iter().enumerate().flat_map(|(component, containers)| {
            let containers = containers.iter().enumerate();
            containers.map(move |(container, fields)| ((component, container), *fields))
        });
        match self.kind {
            Kind::App => all.collect(),
            Kind::Component => all.filter(|((component, _), _)| *component == 0).collect(),
            Kind::Container => all.take(1).collect(),
        }
    }

    fn component(&self, index: usize) -> Value {
        let containers = self.components[index].iter().enumerate();
        let containers: Vec<_> =
            containers.map(|(index, fields)| self.container(index, *fields)).collect();
        let mut component = json!({"name": format!("part{index}"), "containers": containers});
        if index % 2 == 1 {
            component["timeouts"] = json!({"building": "1h 30m"});
        }
        component
    }

    fn container(&self, index: usize, fields: u32) -> Value {
        let mut container = Map::from_iter([("name".to_owned(), json!(format!("box{index}")))]);
        if is_used(fields) {
            container.insert("image".to_owned(), json!("registry.example.com:5000/x/y:1.2"));
            return container.into();
        }
        let chosen = (0..16).filter(|bit| fields & (1 << bit) != 0);
        container.extend(chosen.map(|bit| {
            let (name, value) = self.field(bit);
            (name.to_owned(), value)
        }));
        container.into()
    }

    fn field(&self, bit: u32) -> (&'static str, Value) {
        match bit {
            0 => ("init", json!(true)),
            1 => ("contextDir", json!("./a//b")),
            2 => ("dockerfile", json!("docker/Dockerfile.tpl")),
            3 => ("template", json!({"packages": [self.text, null, 1.5], "deep": {"x": {}}})),
            4 => ("buildArgs", json!({"MODE": self.text, "COMMIT": "{{ commit }}"})),
            5 => ("target", json!("release")),
            6 => ("tags", json!(["latest", "{{ version }}-x"])),
            7 => ("labels", json!({"org.opencontainers.image.title": self.text})),
            8 => ("kaniko", json!(["--verbosity=debug", "--single-snapshot"])),
            9 => ("secrets", json!([{"name": "npmrc", "secret": "npm", "key": ".npmrc"}])),
            10 => ("lfs", json!(true)),
            11 => ("source", json!({"git": {"url": "git@git.example.com:a/b.git"}})),
            12 => ("registry", json!({"prefix": "localhost:5000", "insecure": true})),
            13 => ("resources", json!({"cpu": "1.5", "ephemeralStorage": "10Gi"})),
            14 => ("timeouts", json!({"queued": "1h", "whole": null})),
            _ => ("cache", json!({"enabled": true, "ttl": "24h"})),
        }
    }
}

fn defaults() -> Value {
    json!({
        "registry": {"prefix": "registry.example.com/team/"},
        "source": {"git": {"url": "https://git.example.com/shop.git", "revision": "main"}},
        "pushSecret": "push", "pullSecret": "push",
    })
}

/// A number of recipes, always the same.
pub fn some(count: usize) -> Vec<Recipe> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let recipes = recipes();
    let tree = |_| recipes.new_tree(&mut runner).expect("a recipe").current();
    (0..count).map(tree).collect()
}
