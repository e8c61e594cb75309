//! Decisions about running builds, by the `kiln` command on the real stack.

use kilnworks_tests::{
    engine::{client, end, eventually, variable},
    stack::{PATIENCE, Worker, cluster, pods, publish, run, spec, start, unique},
};
use kilnworks_workflows::{BuildApp, progress::State};
use serde_json::json;
use temporalio_client::{Client, WorkflowQueryOptions};

/// Waits until a build tells that a container is in a state, and gives the reason.
async fn stands(client: &Client, id: &str, container: &str, state: State) -> String {
    let build = client.get_workflow_handle::<BuildApp>(id);
    eventually(&format!("{container} to be {}", state.word()), PATIENCE, async || {
        let options = WorkflowQueryOptions::default();
        let rows = build.query(BuildApp::progress, (), options).await.ok()?.containers;
        let row = rows.into_iter().find(|row| row.container == container)?;
        (row.state == state).then_some(row.reason.unwrap_or_default())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_out_of_memory_is_given_more_and_its_delivery_approved() {
    let base = variable("KILN_BASE_IMAGE");
    // `tail` keeps a line that does not end, all of it.
    let hungry = format!("FROM {base}\nRUN head -c 200M /dev/zero | tail >/dev/null\n");
    let url = publish(&unique("decide"), &[("Dockerfile", hungry.as_str())]);
    let worker = Worker::start(&unique("decide"), &[("KILN_MAX_ATTEMPTS", "1")]).await;
    let mut document = spec(&unique("decide"), &url, json!([{"name": "server"}]));
    document["defaults"]["resources"]["memory"] = json!("120Mi");
    document["onFailure"] = json!("wait");
    document["approval"] = json!("before-deliver");
    let (client, id) = (client().await, worker.queue.as_str());
    start("BuildApp", &worker.queue, id, &document);
    let reason = stands(&client, id, "server", State::Undecided).await;
    assert!(reason.contains("120Mi"), "{reason}");

    let wrong = worker.kiln(&["retry", id, "web/server", "--memory", "lots"]).output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("resources.memory: `lots`") && said.contains("hint:"), "{said}");
    run(&mut worker.kiln(&["retry", id, "server", "--memory", "512Mi"]));

    let build = client.get_workflow_handle::<BuildApp>(id);
    eventually("it to wait for approval", PATIENCE, async || {
        let options = WorkflowQueryOptions::default();
        build.query(BuildApp::progress, (), options).await.ok()?.waiting
    })
    .await;
    let shown = run(&mut worker.kiln(&["status", id]));
    assert!(shown.contains("done"), "{shown}");
    run(&mut worker.kiln(&["approve", id]));
    let output = tokio::time::timeout(PATIENCE, end(&build)).await.expect("its end").output();
    assert!(output.package.is_some());
    let late = worker.kiln(&["approve", id]).output().unwrap();
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(said.contains("has ended"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_container_is_cancelled_and_another_held_back() {
    let base = variable("KILN_BASE_IMAGE");
    let long = format!("FROM {base}\nRUN sleep 300\n");
    let files =
        [("long/Dockerfile", long.as_str()), ("short/Dockerfile", "FROM scratch\nCOPY . /\n")];
    let url = publish(&unique("cancel"), &files);
    let containers =
        json!([{"name": "long", "contextDir": "long"}, {"name": "short", "contextDir": "short"}]);
    // The second one waits for the room that the first one has.
    let worker = Worker::start(&unique("cancel"), &[("KILN_MAX_BUILDS", "1")]).await;
    let mut document = spec(&unique("cancel"), &url, containers);
    document["maxParallel"] = json!(1);
    let (client, cluster, id) = (client().await, cluster().await, worker.queue.as_str());
    start("BuildApp", &worker.queue, id, &document);
    let app = document["app"].as_str().expect("a name");
    eventually("the first Pod", PATIENCE, async || {
        (pods(&cluster, app).await.len() == 1).then_some(())
    })
    .await;
    run(&mut worker.kiln(&["pause", id, "web/short"]));
    stands(&client, id, "short", State::Paused).await;
    run(&mut worker.kiln(&["cancel", id, "web/long"]));
    eventually("its Pod to be removed", PATIENCE, async || {
        pods(&cluster, app).await.is_empty().then_some(())
    })
    .await;
    stands(&client, id, "short", State::Paused).await;
    run(&mut worker.kiln(&["resume", id]));
    let build = client.get_workflow_handle::<BuildApp>(id);
    let ended = tokio::time::timeout(PATIENCE, end(&build)).await.expect("its end");
    let (kind, details) = ended.failure();
    assert_eq!(kind, "ContainerCancelled");
    assert_eq!(details.images.len(), 1, "{details:?}");
    eventually("every Pod to be removed", PATIENCE, async || {
        pods(&cluster, app).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_needs_longer_is_given_more_time_in_the_same_pod() {
    let base = variable("KILN_BASE_IMAGE");
    let slow = format!("FROM {base}\nRUN sleep 25\n");
    let url = publish(&unique("extend"), &[("Dockerfile", slow.as_str())]);
    let worker = Worker::start(&unique("extend"), &[]).await;
    let mut document = spec(&unique("extend"), &url, json!([{"name": "server"}]));
    document["defaults"]["timeouts"] = json!({"building": "15s"});
    let (client, cluster, id) = (client().await, cluster().await, worker.queue.as_str());
    start("BuildApp", &worker.queue, id, &document);
    let app = document["app"].as_str().expect("a name");
    let pod = eventually("its Pod", PATIENCE, async || {
        pods(&cluster, app).await.into_iter().find_map(|pod| pod.metadata.uid)
    })
    .await;
    let wrong = worker.kiln(&["extend", id, "server", "building", "long"]).output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("by: `long`; accepted is"), "{said}");
    run(&mut worker.kiln(&["extend", id, "server", "building", "5m"]));
    let still: Vec<_> =
        pods(&cluster, app).await.into_iter().filter_map(|pod| pod.metadata.uid).collect();
    assert_eq!(still, [pod]);
    let build = client.get_workflow_handle::<BuildApp>(id);
    let output = tokio::time::timeout(PATIENCE, end(&build)).await.expect("its end").output();
    assert_eq!(output.images[0].attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_shows_what_takes_long_and_what_ended_meanwhile() {
    let base = variable("KILN_BASE_IMAGE");
    let long = format!("FROM {base}\nRUN sleep 300\n");
    let files =
        [("long/Dockerfile", long.as_str()), ("short/Dockerfile", "FROM scratch\nCOPY . /\n")];
    let url = publish(&unique("watch"), &files);
    let containers =
        json!([{"name": "long", "contextDir": "long"}, {"name": "short", "contextDir": "short"}]);
    let worker = Worker::start(&unique("watch"), &[]).await;
    let document = spec(&unique("watch"), &url, containers);
    let (client, id) = (client().await, worker.queue.as_str());
    start("BuildApp", &worker.queue, id, &document);
    stands(&client, id, "long", State::Building).await;
    stands(&client, id, "short", State::Done).await;
    let part = format!("{id}/web");
    stands(&client, &part, "long", State::Building).await;
    run(&mut worker.kiln(&["cancel", id, "--wait"]));
}
