//! Faults of shape and meaning, planted into a spec at known places.

use kilnworks_workflows::document::Kind;
use serde_json::Value;

use super::valid::{Recipe, is_used};

/// A fault: the field of an object, its new value (an empty one removes the field), and the place that
/// the message must name, relative to that object.
type Fault = (&'static str, &'static str, &'static str);

const SHARED: &[Fault] = &[
    ("source", "{}", "source.git"),
    ("source", r#"{"git": {}}"#, "source.git.url"),
    ("source", r#"{"git": {"url": "file:///etc"}}"#, "source.git.url"),
    ("source", r#"{"git": {"url": "https://a:b@c/d"}}"#, "source.git.url"),
    ("source", r#"{"git": {"url": "https://c/d", "revision": "a..b"}}"#, "source.git.revision"),
    ("source", r#"{"git": 7}"#, "source.git"),
    ("source", "7", "source"),
    ("registry", "{}", "registry.prefix"),
    ("registry", r#"{"prefix": "Upper/x"}"#, "registry.prefix"),
    ("registry", r#"{"prefix": "r.io", "insecure": "no"}"#, "registry.insecure"),
    ("registry", r#"{"prefix": "r.io", "ca": {}}"#, "registry.ca.configMap"),
    (
        "registry",
        r#"{"prefix": "r.io", "ca": {"configMap": "a", "key": "a/b"}}"#,
        "registry.ca.key",
    ),
    ("resources", r#"{"memory": "lots"}"#, "resources.memory"),
    ("resources", r#"{"cpu": 1}"#, "resources.cpu"),
    ("resources", "[]", "resources"),
    ("timeouts", r#"{"queued": "soon"}"#, "timeouts.queued"),
    ("timeouts", r#"{"hole": "1s"}"#, "timeouts.hole"),
    ("cache", r#"{"ttl": "-1"}"#, "cache.ttl"),
    ("cache", r#"{"enabled": 1}"#, "cache.enabled"),
    ("cache", r#"{"repo": "nohost"}"#, "cache.repo"),
    ("pushSecret", r#""A_B""#, "pushSecret"),
    ("pullSecret", "{}", "pullSecret"),
    ("platforms", "[]", "platforms"),
    ("platforms", r#"["linux/amd64", "linux/x86_64"]"#, "platforms[1]"),
    ("platforms", r#"["linux/arm64", "linux/arm64"]"#, "platforms[1]"),
    ("platforms", r#""linux/arm64""#, "platforms"),
];

const TOP: &[Fault] = &[
    ("app", r#""Shop""#, "app"),
    ("app", "7", "app"),
    ("app", "", "app"),
    ("version", r#""1 0""#, "version"),
    ("version", "[]", "version"),
    ("verison", "1", "verison"),
];

const APP: &[Fault] = &[
    ("apiVersion", r#""v2""#, "apiVersion"),
    ("apiVersion", "", "apiVersion"),
    ("maxParallel", "0", "maxParallel"),
    ("maxParallel", "501", "maxParallel"),
    ("maxParallel", r#""many""#, "maxParallel"),
];

const NAMED: &[Fault] = &[
    ("name", r#""Web""#, "name"),
    ("name", "7", "name"),
    ("name", "", "name"),
    ("x/y~z", "1", "x/y~z"),
];

const BUILT: &[Fault] = &[
    ("init", r#""yes""#, "init"),
    ("contextDir", r#""a/../..""#, "contextDir"),
    ("contextDir", "7", "contextDir"),
    ("dockerfile", r#""/etc/passwd""#, "dockerfile"),
    ("template", "[]", "template"),
    ("buildArgs", r#"{"A B": "x"}"#, "buildArgs.A B"),
    ("buildArgs", r#"{"A": 7}"#, "buildArgs.A"),
    ("target", r#""a b""#, "target"),
    ("tags", r#"["ok", "-x"]"#, "tags[1]"),
    ("tags", r#"["ok", 1]"#, "tags[1]"),
    ("tags", r#"["1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g","h"]"#, "tags"),
    ("labels", r#"{"": "x"}"#, "labels."),
    ("kaniko", r#"["--context=x"]"#, "kaniko[0]"),
    ("kaniko", r#"["x"]"#, "kaniko[0]"),
    ("secrets", "[{}]", "secrets[0].key"),
    ("secrets", r#"[{"name": "..", "secret": "s", "key": "k"}]"#, "secrets[0].name"),
    ("secrets", r#"[{"name": "n", "secret": "S", "key": "k"}]"#, "secrets[0].secret"),
    ("secrets", "[7]", "secrets[0]"),
    ("lfs", "1", "lfs"),
];

const USED: &[Fault] = &[
    ("image", r#""debian""#, "image"),
    ("image", "7", "image"),
    ("contextDir", r#""x""#, "contextDir"),
    ("buildArgs", r#"{"A": "x"}"#, "buildArgs"),
    ("tags", r#"["x"]"#, "tags"),
    ("template", "{}", "template"),
];

/// An object of a document: its JSON pointer, and its place as a message names it.
struct Object {
    pointer: String,
    path: String,
    faults: Vec<Fault>,
}

/// Plants faults, and returns the places that the message must name. A number picks a fault. No field
/// gets two.
pub fn plant(recipe: &Recipe, document: &mut Value, picks: &[u16]) -> Vec<String> {
    let objects = objects(recipe);
    let all: Vec<_> =
        objects.iter().flat_map(|it| it.faults.iter().map(move |fault| (it, fault))).collect();
    let mut taken = Vec::new();
    let mut expected = Vec::new();
    for pick in picks {
        let (object, (field, value, place)) = all[usize::from(*pick) % all.len()];
        let at = (object.pointer.as_str(), *field);
        if taken.contains(&at) {
            continue;
        }
        taken.push(at);
        set(document.pointer_mut(&object.pointer).expect("it is there"), field, value);
        let dot = if object.path.is_empty() { "" } else { "." };
        expected.push(format!("{}{dot}{place}", object.path));
    }
    expected
}

fn set(object: &mut Value, field: &str, value: &str) {
    let object = object.as_object_mut().expect("an object");
    match value {
        "" => drop(object.shift_remove(field)),
        json => drop(object.insert(field.to_owned(), serde_json::from_str(json).expect("JSON"))),
    }
}

fn objects(recipe: &Recipe) -> Vec<Object> {
    let object = |pointer: &str, path: &str, faults: &[&[Fault]]| Object {
        pointer: pointer.to_owned(),
        path: path.to_owned(),
        faults: faults.concat(),
    };
    let top: &[&[Fault]] = if recipe.kind == Kind::App { &[TOP, APP] } else { &[TOP] };
    let mut objects = vec![object("", "", top), object("/defaults", "defaults", &[SHARED])];
    match recipe.kind {
        Kind::App => objects.extend((0..recipe.components.len()).map(|index| {
            let pointer = format!("/components/{index}");
            object(&pointer, &format!("components[{index}]"), &[SHARED, NAMED])
        })),
        Kind::Component => objects.push(object("/component", "component", &[SHARED, NAMED])),
        Kind::Container => {}
    }
    objects.extend(recipe.containers().into_iter().map(|((component, container), fields)| {
        let (pointer, path) = place(recipe.kind, component, container);
        match is_used(fields) {
            true => object(&pointer, &path, &[NAMED, USED]),
            false => object(&pointer, &path, &[NAMED, SHARED, BUILT]),
        }
    }));
    objects
}

fn place(kind: Kind, component: usize, container: usize) -> (String, String) {
    match kind {
        Kind::App => (
            format!("/components/{component}/containers/{container}"),
            format!("components[{component}].containers[{container}]"),
        ),
        Kind::Component => (
            format!("/component/containers/{container}"),
            format!("component.containers[{container}]"),
        ),
        Kind::Container => ("/container".to_owned(), "container".to_owned()),
    }
}

/// Removes every source of a spec, and returns the places that the message must name.
pub fn without_source(recipe: &Recipe, document: &mut Value) -> Vec<String> {
    for object in objects(recipe) {
        set(document.pointer_mut(&object.pointer).expect("it is there"), "source", "");
    }
    let built = recipe.containers().into_iter().filter(|(_, fields)| !is_used(*fields));
    let path = |((component, container), _)| place(recipe.kind, component, container).1;
    built.map(|one| format!("{}.source", path(one))).collect()
}
