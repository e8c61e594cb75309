//! Logs that are followed, of the real API server: few connections carry them all.
//!
//! The only test of its process, as it counts the process's connections.

mod support;

use std::{collections::HashSet, fs, time::Duration};

use futures::{AsyncReadExt, future::join_all};
use k8s_openapi::api::core::v1::Pod;
use kilnworks_activities::log::{
    live,
    streams::{STREAMS, Streams},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
    runtime::{conditions::is_pod_running, wait::await_condition},
};
use serde_json::json;
use support::stack::of_stack;

const PATIENCE: Duration = Duration::from_secs(60);

/// A Pod that says something once, and then is silent.
async fn talker(pods: &Api<Pod>) -> String {
    let template = fs::read_to_string(of_stack("KILN_POD_TEMPLATE")).unwrap();
    let mut pod: serde_json::Value = serde_saphyr::from_str(&template).unwrap();
    let name = format!("streams-{}", uuid::Uuid::new_v4().simple());
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({"name": name});
    pod["spec"]["restartPolicy"] = json!("Never");
    pod["spec"]["terminationGracePeriodSeconds"] = json!(0);
    pod["spec"]["containers"] = json!([{
        "name": "executor",
        "image": of_stack("KILN_BASE_IMAGE"),
        "command": ["sh", "-c", "echo hello; sleep 600"],
    }]);
    let pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let running = await_condition(pods.clone(), &name, is_pod_running());
    tokio::time::timeout(PATIENCE, running).await.expect("it runs").unwrap();
    name
}

/// How many TCP connections of this process lead to a port.
fn connections_to(port: u16) -> usize {
    let sockets = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let sockets = sockets.filter_map(|entry| fs::read_link(entry.path()).ok());
    let own: HashSet<_> = sockets.map(|link| link.to_string_lossy().into_owned()).collect();
    let all = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|path| fs::read_to_string(path));
    let all = all.into_iter().flatten().collect::<String>();
    let leads = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let remote = fields.get(2).is_some_and(|at| at.ends_with(&format!(":{port:04X}")));
        remote && fields.get(9).is_some_and(|inode| own.contains(&format!("socket:[{inode}]")))
    };
    all.lines().filter(leads).count()
}

#[tokio::test]
async fn a_hundred_streams_are_a_few_connections() {
    let client = kilnworks_activities::cluster::connect().await.unwrap();
    let url = kube::Config::infer().await.unwrap().cluster_url;
    let port = url.port_u16().expect("the stack's API server has a port");
    let namespace = of_stack("KILN_NAMESPACE");
    let pods = Api::<Pod>::namespaced(client, &namespace);
    let name = talker(&pods).await;
    let before = connections_to(port);
    let streams = Streams::of_environment();
    let following = (0..2 * STREAMS).map(async |_| {
        let place = streams.place().await.unwrap();
        let pods = place.pods(&namespace);
        let mut stream = live::open(&pods, &name, None, true).await.unwrap();
        let mut line = [0; 37];
        stream.read_exact(&mut line).await.unwrap();
        assert!(line.ends_with(b"hello\n"), "{}", String::from_utf8_lossy(&line));
        (place, stream)
    });
    let following = tokio::time::timeout(PATIENCE, join_all(following)).await.expect("lines");
    let more = connections_to(port) - before;
    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(more, 2, "connections for {} streams", following.len());
}
