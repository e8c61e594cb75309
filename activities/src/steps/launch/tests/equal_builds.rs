//! Equal builds, and the launches of one attempt.

use super::*;

/// A build that may use an equal one's image, and the equal one.
fn equal_builds() -> (LaunchInput, LaunchInput) {
    let mut own = minimal();
    own.build.reuse = Some("localhost:5000/team/kiln-cache".to_owned());
    own.rendered.key = Some("c0ffee".to_owned());
    let mut other = own.clone();
    other.id.run_id = "other".to_owned();
    other.id.workflow_id = "other".to_owned();
    other.build.repository = "localhost:5000/team/other".to_owned();
    (own, other)
}

#[tokio::test]
async fn the_unfinished_pod_of_an_equal_build_is_found() {
    let (own, other) = equal_builds();
    let (scenario, cluster) = Scenario::new(vec![created(&other)], Vec::new());
    let launched = wanted(&cluster, own.clone()).await.unwrap();
    assert!(launched.is_others);
    assert_eq!((&launched.name, &launched.pushes), (&other.pod_name(), &other.pushes()));
    scenario.end();

    // A build that must have a Pod of its own launches one.
    let alone = LaunchInput { alone: true, ..own.clone() };
    let pod = created(&alone);
    assert!(pod.metadata.labels.as_ref().unwrap().contains_key(&equal::label()));
    let (scenario, cluster) = Scenario::new(vec![created(&other)], vec![create(&pod)]);
    assert!(!wanted(&cluster, alone).await.unwrap().is_others);
    scenario.end();

    // One that has pushed its image is found until its owner deletes it.
    let mut pushed = created(&other);
    let end = json!({"exitCode": 0, "message": format!("sha256:{}", "0".repeat(64))});
    let executor = json!({
        "name": "executor", "ready": false, "restartCount": 0, "image": "", "imageID": "",
        "state": {"terminated": end},
    });
    pushed.status = serde_json::from_value(json!({
        "phase": "Succeeded", "containerStatuses": [executor],
    }))
    .unwrap();
    let (scenario, cluster) = Scenario::new(vec![pushed], Vec::new());
    assert!(wanted(&cluster, own.clone()).await.unwrap().is_others);
    scenario.end();

    // One that has failed is not.
    let mut ended = created(&other);
    ended.status = serde_json::from_value(json!({"phase": "Failed"})).unwrap();
    let (scenario, cluster) = Scenario::new(vec![ended], vec![create(&created(&own))]);
    assert!(!wanted(&cluster, own).await.unwrap().is_others);
    scenario.end();
}

#[tokio::test]
async fn the_pod_of_a_launch_after_a_pause_is_another() {
    let paused = minimal();
    let resumed = LaunchInput { pauses: 1, ..minimal() };
    assert_ne!(paused.pod_name(), resumed.pod_name());
    // The paused launch may still delete its Pod, so the next one does not take that Pod.
    let (scenario, cluster) =
        Scenario::new(vec![created(&paused)], vec![create(&created(&resumed))]);
    assert_eq!(wanted(&cluster, resumed.clone()).await.unwrap().name, resumed.pod_name());
    scenario.end();
}
