use serde_json::json;

use super::plan;

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
    let document = kilnworks_workflows::document::Kind::App
        .read(document)
        .unwrap();
    let made = kilnworks_workflows::plan::plan(&document).unwrap();
    insta::assert_snapshot!(plan(&made));
}
