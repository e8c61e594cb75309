//! `kiln setup` on a real engine: whatever is there, afterwards all of it is.

use std::process::{Command, Output};

use kilnworks_tests::stack::{kiln, unique};
use serde_json::{Value, json};

/// A Temporal namespace that is not there yet, deleted with the test.
struct Fresh(String);

impl Fresh {
    /// `kiln setup` for it, and what it did.
    fn setup(&self, settings: &[(&str, &str)]) -> Value {
        let mut command = Command::new(kiln());
        command.args(["setup", "--output", "json"]).env("TEMPORAL_NAMESPACE", &self.0);
        let output = command.envs(settings.iter().copied()).output().expect("kiln runs");
        let Output { status, stdout, stderr } = output;
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice(&stdout).expect("JSON")
    }

    /// The schedule of an installation, as the `temporal` command shows it.
    fn schedule(&self, install: &str) -> Option<Value> {
        let id = format!("kiln-sweep-{install}");
        let describe =
            ["schedule", "describe", "--schedule-id", &id, "--namespace", &self.0, "-o", "json"];
        let output = Command::new("temporal").args(describe).output().expect("temporal runs");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let delete = ["operator", "namespace", "delete", "--namespace", &self.0, "--yes"];
        let _ = Command::new("temporal").args(delete).output();
    }
}

#[test]
fn a_second_setup_changes_nothing() {
    let namespace = Fresh(unique("setup"));
    let own = [("KILN_INSTALL", "shop"), ("KILN_TASK_QUEUE", "shop-builds")];
    let made = namespace.setup(&own);
    assert_eq!(made["namespaceCreated"], true);
    assert_eq!(made["searchAttributesCreated"].as_array().expect("a list").len(), 6);
    assert_eq!(made["sweeps"], "created");
    let schedule = namespace.schedule("shop").expect("a schedule");
    assert!(schedule.to_string().contains("\"shop-builds\""), "{schedule}");

    let again = namespace.setup(&own);
    let nothing = json!({
        "namespace": namespace.0,
        "namespaceCreated": false,
        "searchAttributesCreated": [],
        "sweeps": "unchanged",
    });
    assert_eq!(again, nothing);
    let kept = namespace.schedule("shop").expect("a schedule");
    assert_eq!(kept["info"]["createTime"], schedule["info"]["createTime"]);

    let seldom = [own[0], own[1], ("KILN_SWEEP_EVERY", "6h")];
    assert_eq!(namespace.setup(&seldom)["sweeps"], "updated");
    assert_eq!(namespace.setup(&seldom)["sweeps"], "unchanged");
    let never = [own[0], own[1], ("KILN_SWEEP_EVERY", "never")];
    for _ in 0..2 {
        assert_eq!(namespace.setup(&never)["sweeps"], "off");
        assert_eq!(namespace.schedule("shop"), None);
    }
}

#[test]
fn setups_at_once_make_one_of_each() {
    let namespace = Fresh(unique("setup"));
    let all: Vec<Value> = std::thread::scope(|scope| {
        let each: Vec<_> = (0..3).map(|_| scope.spawn(|| namespace.setup(&[]))).collect();
        each.into_iter().map(|one| one.join().expect("it succeeds")).collect()
    });
    let made = all.iter().filter(|one| one["sweeps"] == "created");
    assert_eq!(made.count(), 1, "{all:?}");
    assert_eq!(namespace.setup(&[])["sweeps"], "unchanged");
}

#[test]
fn a_wrong_setting_is_named() {
    let mut command = Command::new(kiln());
    let output = command.args(["setup", "--sweep-every", "often"]).output().expect("kiln runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`sweep-every`: `often` (KILN_SWEEP_EVERY)"), "{said}");
}
