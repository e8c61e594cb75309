//! The launch that comes with a rendering, which never waits.

use std::sync::atomic::Ordering;

use super::*;
use crate::launch::at_once;

async fn begun(cluster: &Cluster, input: &LaunchInput) -> Option<Launched> {
    let now = SystemTime::now();
    let wish = async || Wish::Outcome;
    at_once(cluster, &Access::default(), input, now, wish).await.expect("it can be tried")
}

#[tokio::test]
async fn where_there_is_room_it_is_created_to_be_shared() {
    let (scenario, cluster) = Scenario::new(Vec::new(), vec![create(&made(&keyed()))]);
    let launched = begun(&cluster, &keyed()).await.expect("it is launched");
    assert_eq!((launched.name, launched.uid.as_str()), (name(), "uid-1"));
    assert_eq!(launched.key, keyed().rendered.key, "what is rendered anew may have another");
    scenario.end();
}

#[tokio::test]
async fn what_another_build_made_is_left_to_a_step_that_joins() {
    let watched = serde_json::from_value(made(&equal())).unwrap();
    let (scenario, cluster) = Scenario::new(vec![watched], Vec::new());
    assert_eq!(begun(&cluster, &keyed()).await, None);
    scenario.end();
}

#[tokio::test]
async fn what_an_earlier_rendering_launched_is_left() {
    let mut again = keyed();
    again.again = true;
    let mut earlier = keyed();
    earlier.rendered.key = Some("decaf".to_owned());
    let (old, own) = (made(&earlier), made(&again));
    let named = |pod: &Value| format!("pods/{}", pod["metadata"]["name"].as_str().unwrap());
    let calls = vec![
        listed(PODS, json!([old, own])),
        listed(JOBS, json!([])),
        call("GET", &named(&old), 200, old.clone()),
        call("DELETE", &named(&old), 200, json!({"kind": "Status", "status": "Success"})),
        alone(&again),
        look(&own),
    ];
    let (launched, _) = launched(again, calls).await;
    assert_eq!(launched.name, name(), "its own goes on");
}

#[tokio::test]
async fn nothing_is_created_where_it_would_have_to_wait() {
    let others = [2, 3].map(|attempt| {
        let mut other = minimal();
        other.id.attempt = attempt;
        let site = settings(LauncherKind::Pod, None);
        pod::pod(&site, &instance(), &other, &Access::default(), None)
    });
    let (scenario, cluster) = Scenario::new(others.into(), Vec::new());
    assert_eq!(begun(&cluster, &keyed()).await, None, "enough builds run");
    scenario.end();

    let (scenario, cluster) = Scenario::new(Vec::new(), Vec::new());
    cluster.waiting.store(1, Ordering::Relaxed);
    assert_eq!(begun(&cluster, &keyed()).await, None, "another one waits for room");
    scenario.end();

    let quota = refusal(403, "Forbidden", "exceeded quota: builds, requested: pods=1");
    let taken = refusal(409, "AlreadyExists", "it is there");
    for (code, refusal) in [(403, quota), (409, taken)] {
        let calls = vec![call("POST", "pods?", code, refusal)];
        let (scenario, cluster) = Scenario::new(Vec::new(), calls);
        assert_eq!(begun(&cluster, &keyed()).await, None);
        scenario.end();
    }
}

#[tokio::test]
async fn what_is_not_shared_is_left_to_its_own_step() {
    let (scenario, cluster) = Scenario::new(Vec::new(), Vec::new());
    assert_eq!(begun(&cluster, &minimal()).await, None, "its name would not tell what it builds");
    scenario.end();
}

#[test]
fn an_attempt_that_is_rendered_anew_has_another_tag() {
    let mut anew = keyed();
    anew.rendered.key = Some("decaf".to_owned());
    assert_ne!(anew.attempt_tag(), keyed().attempt_tag());
    assert_ne!(share(&anew).name, name());
}
