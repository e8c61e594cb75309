//! Every bound. A value at the bound is accepted. A value over it is a fault that names the field, the
//! size or the value, and the bound.

use kilnworks_workflows::{
    bounds,
    document::{Kind, parse},
    plan,
};
use serde_json::{Map, Value, json};

fn spec(container: Value) -> Value {
    json!({
        "apiVersion": "kilnworks/v1",
        "app": "shop",
        "defaults": {
            "registry": {"prefix": "r.io"},
            "source": {"git": {"url": "https://git.example.com/shop.git"}}
        },
        "components": [{"name": "web", "containers": [container]}]
    })
}

fn message(document: Value) -> Option<String> {
    plan::read(Kind::App, document).err().map(|faults| faults.to_string())
}

/// The document at the bound is accepted. The message about the other one has these words.
fn bounded(at: Value, over: Value, words: &[&str]) {
    assert_eq!(message(at), None);
    let message = message(over).expect("the document is over the bound");
    for word in words {
        assert!(message.contains(word), "`{word}` is not in {message}");
    }
}

/// The same for a field of a container.
fn field(name: &str, value: impl Fn(usize) -> Value, bound: usize, place: &str, words: &[&str]) {
    let document = |size| spec(json!({"name": "server", name: value(size)}));
    let place = format!("components[0].containers[0].{place}: ");
    let words: Vec<_> = words.iter().copied().chain([place.as_str()]).collect();
    bounded(document(bound), document(bound + 1), &words);
}

fn many(count: usize, value: &str) -> Value {
    (0..count).map(|index| (format!("N{index}"), json!(value))).collect::<Map<_, _>>().into()
}

#[test]
fn lists_have_a_largest_number_of_entries() {
    let over =
        |count: usize, bound: usize| format!("{count} entries; at most {bound} are accepted");
    let list = |value: fn(usize) -> Value| move |count| (0..count).map(value).collect();
    for (name, bound, value) in [
        ("tags", bounds::TAGS, list(|index| json!(format!("t{index}")))),
        ("kaniko", bounds::FLAGS, list(|index| json!(format!("--flag-{index}")))),
        (
            "secrets",
            bounds::SECRETS,
            list(|index| json!({"name": format!("n{index}"), "secret": "s", "key": "k"})),
        ),
    ] {
        field(name, value, bound, name, &[&over(bound + 1, bound)]);
    }
    for (name, bound) in [("buildArgs", bounds::BUILD_ARGS), ("labels", bounds::LABELS)] {
        field(name, |count| many(count, "x"), bound, name, &[&over(bound + 1, bound)]);
    }
}

#[test]
fn texts_have_a_largest_length() {
    let text = |length: usize| json!("x".repeat(length));
    let bytes = |bound: usize| format!("{} bytes; at most {bound} are accepted", bound + 1);
    for name in ["buildArgs", "labels"] {
        let value = |length| json!({"NAME": "x".repeat(length)});
        let over = bytes(bounds::VALUE_BYTES);
        field(name, value, bounds::VALUE_BYTES, &format!("{name}.NAME"), &[&over]);
        let key = |length| json!({"x".repeat(length): "x"});
        let place = format!("{name}.{}", "x".repeat(80));
        let document = |size| spec(json!({"name": "server", name: key(size)}));
        let over = &["at most 253 characters", &place];
        bounded(document(bounds::KEY), document(bounds::KEY + 1), over);
    }
    let flag = |length: usize| json!([format!("--flag={}", "x".repeat(length - 7))]);
    field("kaniko", flag, bounds::FLAG_BYTES, "kaniko[0]", &[&bytes(bounds::FLAG_BYTES)]);
    let tag = |length: usize| json!(["x".repeat(length)]);
    field("tags", tag, bounds::TAG, "tags[0]", &["`xxx", "up to 128"]);
    for name in ["contextDir", "dockerfile"] {
        field(name, text, bounds::PATH, name, &["`xxx", "at most 1024 bytes"]);
    }
    field("target", text, bounds::KEY, "target", &["`xxx", "at most 253 characters"]);
    field("pushSecret", text, bounds::KEY, "pushSecret", &["`xxx", "at most 253 characters"]);
    let cpu = |length| json!({"cpu": "1".repeat(length)});
    field("resources", cpu, bounds::TERM, "resources.cpu", &["`111", "at most 64 characters"]);
    let whole = |length: usize| json!({"whole": format!("{}1s", "0".repeat(length - 2))});
    field("timeouts", whole, bounds::TERM, "timeouts.whole", &["`000", "at most 64 characters"]);
    let url =
        |length: usize| json!({"git": {"url": format!("https://a/{}", "x".repeat(length - 10))}});
    field("source", url, bounds::URL, "source.git.url", &[&bytes(bounds::URL)]);
    let revision =
        |length: usize| json!({"git": {"url": "https://a/b", "revision": "x".repeat(length)}});
    let over = &["`xxx", "at most 255 characters"];
    field("source", revision, bounds::REVISION, "source.git.revision", over);
}

#[test]
fn names_have_a_largest_length() {
    let named = |pointer: &str, length: usize| {
        let mut document = spec(json!({"name": "server"}));
        *document.pointer_mut(pointer).expect("a name") = json!("x".repeat(length));
        document
    };
    for (pointer, place) in [
        ("/app", "app: `xxx"),
        ("/components/0/name", "components[0].name: `xxx"),
        ("/components/0/containers/0/name", "components[0].containers[0].name: `xxx"),
    ] {
        let words = &[place, "at most 40 characters"];
        bounded(named(pointer, bounds::NAME), named(pointer, bounds::NAME + 1), words);
    }
    let version = |length: usize| {
        let mut document = spec(json!({"name": "server"}));
        document["version"] = json!(format!("1.0.0-{}", "x".repeat(length - 6)));
        document
    };
    bounded(version(bounds::TAG), version(bounds::TAG + 1), &["version: `1.0.0-x", "at most 128"]);
}

#[test]
fn names_of_images_and_caches_have_a_largest_length() {
    let prefix = |length: usize, cache: bool| {
        let mut document = spec(json!({"name": "b"}));
        document["defaults"]["registry"]["prefix"] =
            json!(format!("r.io/{}", "x".repeat(length - 5)));
        document["defaults"]["cache"] = json!({"enabled": cache});
        document["components"][0]["name"] = json!("a");
        document
    };
    let over = "has 256 characters; at most 255 are accepted";
    let image = bounds::REPOSITORY - "/shop-a-b".len();
    let words = &["components[0].containers[0].name: the name of its image", over];
    bounded(prefix(image, false), prefix(image + 1, false), words);
    let cache = bounds::REPOSITORY - "/shop-cache".len();
    let words = &["components[0].containers[0].cache: the name of its repository", over];
    bounded(prefix(cache, true), prefix(cache + 1, true), words);
}

#[test]
fn a_document_has_a_largest_size_and_depth() {
    let sized = |size: usize| {
        let mut document = spec(json!({"name": "server", "template": {"x": ""}}));
        let rest = document.to_string().len();
        let container = &mut document["components"][0]["containers"][0];
        container["template"]["x"] = json!("x".repeat(size - rest));
        document
    };
    let bound = bounds::DOCUMENT_BYTES;
    bounded(sized(bound), sized(bound + 1), &["the document has 1048577 bytes; at most 1048576"]);
    let deep = |levels: usize| {
        let nested = (0..levels - 6).fold(json!(1), |value, _| json!([value]));
        spec(json!({"name": "server", "template": {"x": nested}}))
    };
    let bound = bounds::DEPTH;
    bounded(deep(bound), deep(bound + 1), &["the document has 65 levels; at most 64"]);
    let text = "[".repeat(100_000);
    let faults = parse(text.as_bytes()).expect_err("no reader takes it");
    assert!(faults.to_string().contains("more than 127 levels; at most 64"), "{faults}");
}

/// A child accepts each part of an accepted document, together with what the parent adds.
#[test]
fn the_document_of_a_child_may_be_larger() {
    let mut document = spec(json!({"name": "server", "template": {"x": ""}}));
    let rest = document.to_string().len();
    let container = &mut document["components"][0]["containers"][0];
    container["template"]["x"] = json!("x".repeat(bounds::DOCUMENT_BYTES - rest));
    assert_eq!(message(document.clone()), None);
    let (defaults, component) = (&document["defaults"], &document["components"][0]);
    let resolved = json!({"commits": {"x".repeat(2000): "c"}, "root": "r".repeat(1000)});
    let of_component = json!({
        "app": "shop", "version": null, "defaults": defaults, "maxParallel": 500,
        "component": component, "resolved": resolved,
    });
    plan::read(Kind::Component, of_component).expect("the child accepts it");
    let of_container = json!({
        "app": "shop", "version": null, "defaults": defaults, "component": "web",
        "container": component["containers"][0], "resolved": resolved,
    });
    plan::read(Kind::Container, of_container).expect("the child accepts it");
}

fn containers(count: usize, container: impl Fn(usize) -> Value) -> Value {
    let mut document = spec(json!({}));
    document["components"][0]["containers"] = (0..count).map(container).collect();
    document
}

#[test]
fn a_document_has_a_largest_number_of_containers() {
    let named = |index: usize| json!({"name": format!("c{index}")});
    let (at, over) = (containers(500, named), containers(501, named));
    bounded(at, over.clone(), &["components: 501 containers; at most 500 are accepted"]);
    let input = json!({
        "app": "shop", "defaults": over["defaults"], "component": over["components"][0],
    });
    let faults = plan::read(Kind::Component, input).expect_err("too many");
    let words = "component.containers: 501 containers; at most 500 are accepted";
    assert!(faults.to_string().contains(words), "{faults}");
}

#[test]
fn a_plan_has_a_largest_size_with_what_its_containers_inherit() {
    let key = "x".repeat(bounds::KEY);
    let git = json!({"url": format!("https://a/{}", "x".repeat(bounds::URL - 10)), "secret": key});
    let heavy = |dockerfile: usize| {
        let (path, file) = ("x".repeat(512), "x".repeat(dockerfile));
        let container =
            |index| json!({"name": format!("c{index}"), "contextDir": path, "dockerfile": file});
        let mut document = containers(500, container);
        document["defaults"]["source"] = json!({"git": git});
        document
    };
    assert_eq!(message(heavy(100)), None);
    let found = message(heavy(1000)).expect("the document is too large");
    assert!(found.contains("components: their plan has 1"), "{found}");
    assert!(found.contains("bytes; at most 1572864 are accepted"), "{found}");
}
