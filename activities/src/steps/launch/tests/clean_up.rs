//! The deletion of what a build made.

use super::*;
use crate::steps::clean_up::clean_up;

fn clean_up_input() -> CleanUpInput {
    CleanUpInput { id: minimal().id, launching: false }
}

/// A Pod whose executor has ended.
fn ended() -> Value {
    let mut pod = json_of(&created(&minimal()));
    pod["status"] = json!({"phase": "Succeeded", "containerStatuses": [{
        "name": "executor", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 0}},
    }]});
    pod
}

fn listed(items: Value) -> Call {
    call("GET", "pods?", 200, json!({"metadata": {}, "items": items}))
}

fn no_jobs() -> Call {
    Call {
        path: "/apis/batch/v1/namespaces/builds/jobs?".to_owned(),
        ..call("GET", "", 200, json!({"metadata": {}, "items": []}))
    }
}

#[tokio::test]
async fn clean_up_asks_for_the_log_and_deletes_what_it_finds() {
    let name = minimal().pod_name();
    let calls = vec![
        listed(json!([ended()])),
        no_jobs(),
        // That nobody has the log is no reason to keep the Pod.
        call("GET", &format!("pods/{name}/log?"), 404, refusal(404, "NotFound", "gone")),
        call("DELETE", &format!("pods/{name}"), 404, refusal(404, "NotFound", "gone")),
    ];
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    let (_dir, store) = store();
    let logs = Logs { store: &store, max_bytes: 1 << 20 };
    clean_up(&cluster, logs, &clean_up_input()).await.unwrap();
    scenario.end();
}

#[tokio::test]
async fn a_pod_stays_until_the_store_has_its_log_and_no_other_with_it() {
    let next = attempt(2);
    let waiting = created(&next);
    let calls = vec![
        listed(json!([ended(), json_of(&waiting)])),
        no_jobs(),
        call("DELETE", &format!("pods/{}", next.pod_name()), 200, json_of(&waiting)),
    ];
    let (scenario, cluster) = Scenario::new(Vec::new(), calls);
    let (dir, store) = store();
    std::fs::write(dir.path().join("logs"), "no directory").unwrap();
    let logs = Logs { store: &store, max_bytes: 1 << 20 };
    let error = clean_up(&cluster, logs, &clean_up_input()).await.unwrap_err();
    assert_eq!(kind(&error), FailureType::StoreUnavailable, "{error:#}");
    scenario.end();
}
