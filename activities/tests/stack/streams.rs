//! Logs that are followed, of the real API server: few connections carry them all.
//!
//! The only test of its process, as it counts the process's connections.

use std::{collections::HashSet, fs, time::Duration};

use crate::support::stack::of_stack;
use futures::{AsyncReadExt, future::join_all};
use k8s_openapi::api::core::v1::Pod;
use kilnworks_activities::{
    cluster::streams::{STREAMS, Streams},
    log::live,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
    runtime::{conditions::is_pod_running, wait::await_condition},
};
use serde_json::json;

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

/// The sockets of this process that lead to a port.
fn sockets_to(port: u16) -> HashSet<String> {
    let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let files = files.filter_map(|entry| fs::read_link(entry.path()).ok());
    let own: HashSet<_> = files.map(|link| link.to_string_lossy().into_owned()).collect();
    let all = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(fs::read_to_string);
    let all = all.into_iter().flatten().collect::<String>();
    let there = format!(":{port:04X}");
    let leading = all.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let socket = format!("socket:[{}]", fields.get(9)?);
        (fields[2].ends_with(&there) && own.contains(&socket)).then_some(socket)
    });
    leading.collect()
}

#[tokio::test]
async fn a_hundred_streams_are_a_few_connections() {
    let client = kilnworks_activities::cluster::connect().await.unwrap();
    let url = kube::Config::infer().await.unwrap().cluster_url;
    let port = url.port_u16().expect("the stack's API server has a port");
    let namespace = of_stack("KILN_NAMESPACE");
    let pods = Api::<Pod>::namespaced(client, &namespace);
    let name = talker(&pods).await;
    let before = sockets_to(port);
    let streams = Streams::of_environment();
    let following = (0..2 * STREAMS).map(async |_| {
        let connection = streams.connection().await.unwrap();
        let pods = connection.pods(&namespace);
        let mut stream = live::open(&pods, &name, None, true).await.unwrap();
        let mut line = [0; 37];
        stream.read_exact(&mut line).await.unwrap();
        assert!(line.ends_with(b"hello\n"), "{}", String::from_utf8_lossy(&line));
        (connection, stream)
    });
    let following = tokio::time::timeout(PATIENCE, join_all(following)).await.expect("lines");
    let more = sockets_to(port).difference(&before).count();
    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(more, 2, "connections for {} streams", following.len());
}
