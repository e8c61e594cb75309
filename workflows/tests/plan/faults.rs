//! The faults of an invalid spec.

use serde_json::{Value, json};

use super::{faults, read, spec, with};

#[test]
fn each_fault_is_named_with_its_place_its_value_and_what_is_accepted() {
    let in_container = |name: &str| format!("/components/0/containers/0/{name}");
    let at = "components[0].containers[0]";
    let table = [
        ("/apiVersion", json!("v2"), "apiVersion: `v2`; accepted is `kilnworks/v1`".to_owned()),
        ("/app", json!("Shop"), "app: `Shop`; accepted is a DNS label".to_owned()),
        ("/app", json!(7), "app: `7`; accepted is a value of type string".to_owned()),
        ("/version", json!("1 0"), "version: `1 0`; accepted is a semantic version".to_owned()),
        ("/verison", json!("1"), "verison: unknown field".to_owned()),
        ("/components", json!([]), "components: [] has less than 1 item".to_owned()),
        ("/maxParallel", json!(0), "maxParallel: 0 is less than the minimum of 1".to_owned()),
        (
            "/defaults/registry/prefix",
            json!("Registry/x"),
            "defaults.registry.prefix: `Registry/x`; accepted is `host[:port][/path]`".to_owned(),
        ),
        ("/defaults/registry", Value::Null, format!("{at}.registry: missing; give `registry.prefix`")),
        ("/defaults/source", Value::Null, format!("{at}.source: missing; give `source.git`")),
        (
            "/defaults/source/git/url",
            json!("https://user:hunter2@git.example.com/x.git"),
            "defaults.source.git.url: a URL with a password is refused".to_owned(),
        ),
        (
            "/defaults/source/git/url",
            json!("file:///etc"),
            "defaults.source.git.url: `file:///etc`; accepted is `https://…`".to_owned(),
        ),
        (
            "/defaults/source/git/revision",
            json!("--upload-pack=x"),
            "defaults.source.git.revision: `--upload-pack=x`; accepted is a branch".to_owned(),
        ),
        ("/defaults/pullSecret", json!("pull"), format!("{at}.pullSecret: `pull` differs from")),
        ("/defaults/resources/memory", json!("lots"), "defaults.resources.memory: `lots`".to_owned()),
        ("/defaults/timeouts", json!({"queued": "soon"}), "defaults.timeouts.queued: `soon`".to_owned()),
        (&in_container("contextDir"), json!("a/../.."), format!("{at}.contextDir: `a/../..`")),
        (&in_container("dockerfile"), json!("/etc/passwd"), format!("{at}.dockerfile: `/etc/passwd`")),
        (&in_container("dokerfile"), json!("x"), format!("{at}.dokerfile: unknown field")),
        (&in_container("tags"), json!(["-x"]), format!("{at}.tags[0]: `-x`; accepted")),
        (
            &in_container("kaniko"),
            json!(["--context=dir:///"]),
            format!("{at}.kaniko[0]: `--context` is set by Kilnworks"),
        ),
        (&in_container("kaniko"), json!(["verbose"]), format!("{at}.kaniko[0]: `verbose`; accepted")),
        (
            &in_container("secrets"),
            json!([{"name": "../x", "secret": "s", "key": "k"}]),
            format!("{at}.secrets[0].name: `../x`"),
        ),
        (
            "/defaults/platforms",
            json!(["linux/amd64", "arm64"]),
            "defaults.platforms[1]: `arm64`; accepted are `linux/386`, `linux/amd64`".to_owned(),
        ),
        ("/defaults/platforms", json!([]), "defaults.platforms: `[]`; accepted is a list".to_owned()),
        (
            "/defaults/platforms",
            json!("linux/arm64"),
            "defaults.platforms: `\"linux/arm64\"`; accepted is a value of type array".to_owned(),
        ),
        (
            "/components/0/platforms",
            json!(["linux/arm64", "linux/amd64", "linux/arm64"]),
            "components[0].platforms[2]: `linux/arm64` is `components[0].platforms[0]` too".to_owned(),
        ),
        (&in_container("image"), json!("debian"), format!("{at}.image: `debian`; accepted is a full")),
        (
            "/components/0/containers/-",
            json!({"name": "server"}),
            "components[0].containers[1].name: `server` is the name of `components[0].containers[0]`"
                .to_owned(),
        ),
    ];
    for (pointer, value, expected) in table {
        let found = faults(with(pointer, value.clone()));
        assert!(
            found.iter().any(|fault| fault.starts_with(&expected)),
            "{pointer} = {value}: {found:?} lacks {expected}"
        );
    }
}

#[test]
fn all_faults_are_reported_together() {
    let mut document = spec();
    document["app"] = json!("Shop");
    document["components"][0]["containers"][0]["dockerfile"] = json!("../x");
    document["components"][0]["containers"][0]["tags"] = json!(["ok", "-", "."]);
    document["components"][0]["containers"][0]["target"] = json!(["release"]);
    document["components"][0]["x"] = json!(1);
    document["maxParallel"] = json!("many");
    let found = faults(document);
    assert_eq!(found.len(), 7, "{found:?}");
}

#[test]
fn a_missing_field_or_a_wrong_type_hides_no_other_fault() {
    let document = json!({
        "app": "Shop",
        "defaults": {"registry": {"insecure": true}, "source": {"git": {"url": 7}}},
        "components": [{"name": "Web", "containers": [{"tags": [1, "-x"]}, {"name": ["a"]}]}]
    });
    let found = faults(document);
    for expected in [
        "apiVersion: missing",
        "defaults.registry.prefix: missing",
        "defaults.source.git.url: `7`; accepted is a value of type string",
        "components[0].containers[0].name: missing",
        "components[0].containers[0].tags[0]: `1`",
        "components[0].containers[1].name: `[\"a\"]`",
        "app: `Shop`",
        "components[0].name: `Web`",
        "components[0].containers[0].tags[1]: `-x`",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn a_fault_of_an_inherited_field_is_reported_once() {
    let mut document = spec();
    document["defaults"]["source"]["git"]["url"] = json!("${GIT}");
    document["components"][0]["containers"] = json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]);
    let found = faults(document);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("defaults.source.git.url: `${GIT}`"), "{found:?}");
}

#[test]
fn two_containers_never_share_an_image() {
    let mut document = spec();
    document["components"] = json!([
        {"name": "a", "containers": [{"name": "b-c"}]},
        {"name": "a-b", "containers": [{"name": "c"}]}
    ]);
    let found = faults(document);
    assert!(found[0].contains("`registry.example.com:5000/shop/shop-a-b-c`"), "{found:?}");
}

#[test]
fn fields_that_contradict_platforms_are_refused() {
    let both = json!(["linux/amd64", "linux/arm64"]);
    let mut document = spec();
    document["defaults"]["platforms"] = both.clone();
    let containers = &mut document["components"][0]["containers"];
    *containers = json!([
        {"name": "a", "yields": "files"},
        {"name": "b", "kaniko": ["--single-snapshot", "--custom-platform=linux/arm64"]},
        {"name": "c", "image": "registry.example.com/x:1", "platforms": both},
        {"name": "d", "image": "registry.example.com/x:1"},
        {"name": "e", "platforms": ["linux/amd64"]},
        {"name": "f", "from": "e"},
        {"name": "g", "from": "f", "platforms": ["linux/arm64"]},
    ]);
    let chart = json!({"name": "chart", "chart": "chart", "platforms": both});
    document["components"].as_array_mut().unwrap().push(chart);
    let found = faults(document);
    let expected = [
        "components[0].containers[0].yields: `files` are of one platform; there are 2",
        "components[0].containers[1].kaniko[1]: `--custom-platform=linux/arm64` is not accepted",
        "components[0].containers[2].platforms: not accepted beside `image`",
        "components[1].platforms: not accepted beside a `chart` without containers",
        "components[0].containers[5].from: `web/e` is not built for `linux/arm64`, as `web/f` is",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (fault, expected) in found.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault} is not {expected}");
    }
}

#[test]
fn the_files_of_a_package_are_checked() {
    let files = "/components/0/files";
    let at = "components[0].files[0]";
    for (pointer, value, expected) in [
        (files, json!([{}]), format!("{at}: empty; give a `path`")),
        (files, json!([{"path": "../x"}]), format!("{at}.path: `../x`; accepted is a relative")),
        (files, json!([{"content": "x"}]), format!("{at}.name: missing")),
        (files, json!([{"path": "a", "content": "x"}]), format!("{at}.content: not accepted")),
        (
            files,
            json!([{"path": "a", "mediaType": "yaml"}]),
            format!("{at}.mediaType: `yaml`; accepted is a media type"),
        ),
        (
            files,
            json!([{"path": "a"}, {"name": "a", "content": ""}]),
            "components[0].files[1].name: `a` is the name of another file too".to_owned(),
        ),
        ("/components/0/chart", json!("/charts"), "components[0].chart: `/charts`".to_owned()),
        (
            "/components/0/containers",
            json!([]),
            "components[0].containers: missing; give one container at least".to_owned(),
        ),
        (
            "/components/0/containers/0/yields",
            json!("jar"),
            "components[0].containers[0].yields: \"jar\"".to_owned(),
        ),
        ("/version", json!("v1.0"), "version: `v1.0`; accepted is a semantic".to_owned()),
        ("/app", json!("kiln-cache"), "app: its package `registry.example.com:5000/shop/kiln-cache` is where built images are kept".to_owned()),
    ] {
        let found = faults(with(pointer, value.clone()));
        assert!(
            found.iter().any(|fault| fault.starts_with(&expected)),
            "{pointer} = {value}: {found:?} lacks {expected}"
        );
    }
}

#[test]
fn a_package_and_an_image_never_share_a_repository() {
    let mut document = spec();
    document["components"] = json!([
        {"name": "web", "containers": [{"name": "server"}]},
        {"name": "web-server", "containers": [{"name": "c"}]}
    ]);
    let found = faults(document);
    assert!(found[0].contains("is the image of `components[0].containers[0]` too"), "{found:?}");
}

#[test]
fn a_value_over_its_bound_is_a_fault() {
    let many = |count: usize| -> Value {
        (0..count).map(|index| json!({"name": format!("c{index}")})).collect()
    };
    assert_eq!(faults(with("/components/0/containers", many(500))), Vec::<String>::new());
    let found = faults(with("/components/0/containers", many(501)));
    assert_eq!(found, ["components: 501 containers; at most 500 are accepted"]);
    let found = faults(with("/app", json!("a".repeat(2_000_000))));
    assert!(found[0].contains("at most 1048576 are accepted"), "{found:?}");
}

#[test]
fn a_message_with_many_faults_stays_short() {
    let mut document = spec();
    document["components"][0]["containers"] =
        (0..400).map(|index| json!({"name": "x".repeat(1_000) + &index.to_string()})).collect();
    let message = read(document).unwrap_err().to_string();
    assert!(message.len() < 64 * 1024, "{}", message.len());
    assert!(message.ends_with("more"), "{message}");
}
