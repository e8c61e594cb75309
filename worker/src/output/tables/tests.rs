use kilnworks_workflows::output::{ContainerImage, Times};
use serde_json::json;

use super::{images, one_line, plan, progress};

fn image(container: &str, commit: Option<&str>, attempts: u32) -> ContainerImage {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    ContainerImage {
        component: "web".to_owned(),
        container: container.to_owned(),
        init: false,
        reference: format!("registry:5000/shop/shop-web-{container}@{digest}"),
        tags: vec!["1.2.0".to_owned(), "latest".to_owned()],
        digest,
        size: 48_123_456,
        platform: "linux/amd64".to_owned(),
        platforms: Vec::new(),
        commit: commit.map(str::to_owned),
        attempts,
        reused: false,
        files: false,
        made: None,
        earlier: Vec::new(),
        times: Times { total: 75.2, pod: 8.4 },
    }
}

#[test]
fn images_are_a_table() {
    let commit = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c";
    let mut used = image("proxy", None, 0);
    used.tags.clear();
    insta::assert_snapshot!(images(&[image("server", Some(commit), 1), used]));
}

#[test]
fn a_plan_is_a_table() {
    let document = json!({
        "apiVersion": "kilnworks/v1",
        "app": "shop",
        "defaults": {
            "source": {"git": {"url": "https://git.example/shop.git", "revision": "main"}},
            "registry": {"prefix": "registry:5000/shop"},
        },
        "components": [{"name": "web", "containers": [
            {"name": "init", "init": true, "contextDir": "db", "cache": {"enabled": false}},
            {"name": "server", "dockerfile": "docker/Dockerfile.tpl"},
            {"name": "proxy", "image": "registry:5000/nginx:1.27"},
        ]}],
    });
    let kind = kilnworks_workflows::document::Kind::App;
    let (_, made) = kilnworks_workflows::plan::read(kind, document).unwrap();
    insta::assert_snapshot!(plan(&made));
}

#[test]
fn progress_is_a_table() {
    let standing = json!({
        "app": "shop",
        "containers": [
            {"component": "web", "container": "init", "state": "done", "attempt": 1,
             "reference": "registry:5000/shop/shop-web-init@sha256:01"},
            {"component": "web", "container": "server", "state": "scheduling", "attempt": 2,
             "reason": "0/3 nodes are available:\n3 Insufficient memory"},
            {"component": "web", "container": "proxy", "state": "waiting"},
        ],
    });
    insta::assert_snapshot!(progress(&serde_json::from_value(standing).unwrap()));
}

#[test]
fn a_long_note_is_cut() {
    assert_eq!(one_line(" a\n b "), "a b");
    assert_eq!(one_line(&"ü".repeat(200)).chars().count(), 121);
}
