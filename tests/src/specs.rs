//! Documents for tests: a few by hand, and many that are generated.

pub mod faults;
pub mod mutations;
pub mod valid;

use serde_json::{Value, json};

/// An app of two components and four containers, one of them an image used as it is.
pub fn shop() -> Value {
    json!({
        "apiVersion": "kilnworks/v1",
        "app": "shop",
        "version": "1.0.0",
        "defaults": {
            "registry": {"prefix": "registry.example.com/shop"},
            "source": {"git": {"url": "https://git.example.com/shop.git", "revision": "main"}}
        },
        "components": [
            {"name": "web", "containers": [{"name": "server"}, {"name": "migrate", "init": true}]},
            {"name": "data", "containers": [
                {"name": "proxy", "image": "registry.example.com/proxy:1"},
                {"name": "loader", "contextDir": "loader"}
            ]}
        ]
    })
}

/// Its first component, as `BuildComponent` takes it.
pub fn component() -> Value {
    json!({"app": "shop", "defaults": shop()["defaults"], "component": shop()["components"][0]})
}

/// One container of it, as `BuildContainer` takes it.
pub fn container() -> Value {
    json!({
        "app": "shop",
        "defaults": shop()["defaults"],
        "component": "web",
        "container": {"name": "server"}
    })
}
