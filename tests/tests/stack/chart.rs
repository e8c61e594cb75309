//! The chart: what is rendered, what is refused, and what a real API server says to it.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Output, Stdio},
};

use kilnworks_activities::start::RIGHTS;
use kilnworks_tests::{
    chart::{Namespace, kubectl, local, objects, place, rendered},
    engine::{eventually, variable},
    stack::{PATIENCE, Worker, publish, spec, start, unique},
};
use serde_json::{Value, json};

/// The values in the chart's directory `ci`, and its own.
const VALUES: [(&str, Option<&str>); 5] = [
    ("default", None),
    ("split", Some("split")),
    ("volume", Some("volume")),
    ("everything", Some("everything")),
    ("digits", Some("digits")),
];

#[test]
fn each_set_of_values_renders_as_recorded() {
    for (name, values) in VALUES {
        insta::assert_snapshot!(name, rendered(values, "builds", &[]));
    }
}

#[test]
fn helm_finds_no_fault() {
    for (_, values) in VALUES {
        let file = values.map(|name| place(&format!("deploy/chart/ci/{name}.yaml")));
        let file = file.as_ref().map(|file| file.to_str().expect("a path"));
        let mut more = vec!["--strict", "--namespace", "builds"];
        more.extend(file.iter().flat_map(|file| ["--values", file]));
        let Output { status, stdout, .. } = local(&["lint"], &more);
        assert!(status.success(), "{values:?}: {}", String::from_utf8_lossy(&stdout));
    }
}

#[test]
fn wrong_values_are_refused() {
    for (wrong, expected) in [
        ("maxBuilds=0", "minimum: got 0, want 1"),
        ("replicas=2", "additional properties 'replicas' not allowed"),
        ("store.kind=nfs", "'/store/kind': value must be one of"),
        ("store.s3.bucket=", "'/store/s3/bucket': minLength"),
        (
            "roles[0].name=all,roles[0].replicas=1,roles[0].queues={main,source,launch}",
            "none serves the queue `await`",
        ),
        ("store.kind=volume", "store.volume.workerClaim is not set"),
        ("temporal.address=http://engine", "'/temporal/address'"),
        ("settings.max_builds=4", "max_builds"),
        (
            "settings.task-queue=own",
            "settings.task-queue: the chart sets this one by its value `taskQueue`",
        ),
        ("settings.listen=0.0.0.0:1", "by its value `listen`"),
        ("extraEnv[0].name=KILN_MAX_BUILDS,extraEnv[0].value=4", "by its value `maxBuilds`"),
        ("secrets={a/b}", "'/secrets/0'"),
        ("temporal.tls.ca=true", "temporal.tls.secret is not set"),
        ("temporal.tls.secret=a,temporal.tls.clientCert=false", "nothing of it is used"),
        ("keda.enabled=true,keda.minReplicas=0", "keda.minReplicas: 0, and the role `worker`"),
        ("keda.enabled=true,keda.maxReplicas=1", "and the role `worker` has 2"),
        ("keda.enabled=true,temporal.apiKey.secret=key", "keda.authentication is not set"),
        ("versioning.behavior=on", "'/versioning/behavior'"),
    ] {
        let Output { status, stderr, .. } =
            local(&["template", "kiln"], &["--namespace", "kilnworks", "--set", wrong]);
        let said = String::from_utf8_lossy(&stderr);
        assert!(!status.success() && said.contains(expected), "{wrong}: {said}");
    }
}

/// What the chart writes into the settings has one place where it is set.
#[test]
fn no_setting_is_set_in_two_places() {
    // The chart's defaults of settings that are no values of it, and what the values set.
    const OTHERS: [&str; 4] = ["log-format", "fetch-image", "heartbeat", "sweep-every"];
    let presigned = ["--set", "store.s3.delivery=presigned"];
    for (values, more) in [(Some("everything"), &[][..]), (Some("volume"), &[]), (None, &presigned)]
    {
        let all = objects(&rendered(values, "builds", more));
        let map = all.iter().find(|object| object["kind"] == "ConfigMap").expect("a ConfigMap");
        let settings = map["data"]["settings.yaml"].as_str().expect("the settings");
        let settings: Value = serde_saphyr::from_str(settings).expect("YAML");
        let own = settings.as_object().expect("settings").keys();
        let own = own.filter(|name| !OTHERS.contains(&name.as_str()));
        for name in own {
            let set = format!("settings.{name}=x");
            let Output { status, stderr, .. } = local(&["template", "kiln"], &["--set", &set]);
            let said = String::from_utf8_lossy(&stderr);
            assert!(!status.success() && said.contains("by its value `"), "{set}: {said}");
        }
    }
}

/// No chart may make a Secret: what is in it would be in the release's history.
#[test]
fn no_secret_is_made() {
    for (_, values) in VALUES {
        for object in objects(&rendered(values, "builds", &[])) {
            assert_ne!(object["kind"], "Secret");
        }
    }
}

/// The Role allows what a worker asks for at its start, and Secrets by their names.
#[test]
fn the_role_is_the_least_that_works() {
    let needed: BTreeSet<String> = RIGHTS
        .iter()
        .flat_map(|(group, what, verbs)| {
            verbs.iter().map(move |verb| format!("{verb} {group}/{what}"))
        })
        .collect();
    for (name, values) in VALUES {
        let all = objects(&rendered(values, "builds", &[]));
        let role = all.iter().find(|object| object["kind"] == "Role").expect("a Role");
        let (named, open): (Vec<_>, Vec<_>) = role["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .partition(|rule| rule["resourceNames"].is_array());
        let given: BTreeSet<String> = open.into_iter().flat_map(rights).collect();
        assert_eq!(given, needed, "{name}");
        for rule in named {
            assert_ne!(rule["resourceNames"], json!([]), "no names are all names");
            assert_eq!(rule["verbs"], json!(["get"]));
        }
        let beyond = all.iter().filter(|object| object["kind"] == "ClusterRole");
        let beyond: Vec<String> = beyond.flat_map(|role| rights(&role["rules"][0])).collect();
        let asked: &[&str] = if name == "everything" { &["list /nodes"] } else { &[] };
        assert_eq!(beyond, asked, "{name}");
    }
}

fn rights(rule: &Value) -> Vec<String> {
    let list = |name: &str| {
        let list = rule[name].as_array().expect("a list").iter();
        list.map(|one| one.as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    let (groups, resources) = (list("apiGroups"), list("resources"));
    let verbs = list("verbs").into_iter();
    verbs.map(|verb| format!("{verb} {}/{}", groups[0], resources[0])).collect()
}

/// The shipped values in a namespace with the level `baseline`, the workers' own even with
/// `restricted`: nothing is refused, and nothing is warned of. The kinds of KEDA and of Prometheus'
/// operator are judged by those projects' own definitions.
#[test]
fn the_cluster_takes_what_is_rendered() {
    let workers = Namespace::enforcing("workers", "restricted");
    let builds = Namespace::enforcing("builds", "baseline");
    for (name, values) in VALUES {
        let (at, claim) =
            (format!("buildNamespace.name={}", builds.0), "store.volume.workerClaim=w");
        let text = rendered(values, &workers.0, &["--set", &at, "--set", claim]);
        let mut all = objects(&text);
        // A Deployment is taken whatever its Pods are, so they are tried as well.
        let pods: Vec<Value> = all.iter().filter_map(pod).collect();
        assert!(!pods.is_empty());
        all.extend(pods);
        let warned = tried(&json!({"apiVersion": "v1", "kind": "List", "items": all}));
        assert_eq!(warned, "", "{name}");
    }
}

/// The Pod that a Deployment or a Job would make.
fn pod(object: &Value) -> Option<Value> {
    let template = object["spec"].get("template")?;
    let mut pod = template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = object["metadata"]["name"].clone();
    pod["metadata"]["namespace"] = object["metadata"]["namespace"].clone();
    // Both are there only once the release is.
    pod["spec"]["serviceAccountName"] = json!("default");
    pod["spec"].as_object_mut()?.remove("priorityClassName");
    Some(pod)
}

/// Has the API server take something without keeping it, and gives what it warns of.
fn tried(list: &Value) -> String {
    let apply =
        ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
    let mut kubectl = Command::new("kubectl")
        .args(apply)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl runs");
    let mut input = kubectl.stdin.take().expect("its input");
    input.write_all(list.to_string().as_bytes()).expect("the objects");
    drop(input);
    let Output { status, stderr, .. } = kubectl.wait_with_output().expect("it ends");
    let said = String::from_utf8(stderr).expect("text");
    assert!(status.success(), "{said}");
    said
}

/// What Kilnworks itself makes passes the level that the chart gives its namespace. (The Pod has no
/// network there and builds nothing.)
#[tokio::test(flavor = "multi_thread")]
async fn a_build_passes_the_level_of_its_namespace() {
    let builds = Namespace::enforcing("builds", "baseline");
    let name = variable("KILN_S3_SECRET");
    builds.secret(&name, &[("AWS_ACCESS_KEY_ID", "nobody".to_owned())]).await;
    let settings = [("KILN_NAMESPACE", builds.0.as_str()), ("KILN_POD_TEMPLATE", "")];
    let worker = Worker::start(&unique("baseline"), &settings).await;
    let url = publish(&worker.queue, &[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let document = spec(&worker.queue, &url, json!([{"name": "one"}]));
    start("BuildApp", &worker.queue, &worker.queue, &document);
    let found = eventually("the build's Pod", PATIENCE, async || {
        let found = kubectl(&["get", "pods", "--namespace", &builds.0, "--output", "name"]);
        (!found.is_empty()).then_some(found)
    });
    found.await;
    worker.kiln(&["cancel", &worker.queue]).output().expect("kiln runs");
}
