//! Registries, and failures that lie outside the Dockerfile, on the real stack.

use kilnworks_tests::{
    engine::{End, client, end, variable},
    registry::{Object, Registry, kubectl},
    stack::{PATIENCE, Worker, publish, run, spec, start, unique},
};
use kilnworks_workflows::{BuildApp, failure::Failure, output::FailureDetails};
use serde_json::{Value, json};

const SCRATCH: &str = "FROM scratch\nCOPY . /\n";

/// Builds an app and gives how that ended.
async fn build(worker: &Worker, document: &Value) -> End {
    let id = unique("registry");
    start("BuildApp", &worker.queue, &id, document);
    let client = client().await;
    let handle = client.get_workflow_handle::<BuildApp>(&id);
    let ended = tokio::time::timeout(PATIENCE, end(&handle)).await;
    ended.expect("the build ends in its time")
}

/// How many events of the cluster are about Pods of an app. They outlive the Pods.
fn events(app: &str) -> usize {
    let names = "jsonpath={.items[*].involvedObject.name}";
    let names = run(&mut kubectl(&["get", "events", "-o", names]));
    let prefix = format!("{app}-web-");
    let names = names.split(' ');
    names.filter(|name| name.starts_with(&prefix)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_behind_tls_and_a_password() {
    let registry = Registry::start().await;
    let ca = json!({"kind": "ConfigMap", "data": {"ca.crt": registry.ca}});
    let ca = Object::new(ca);
    let url = publish(&unique("tls"), &[("Dockerfile", SCRATCH)]);
    let worker = Worker::start(&unique("tls"), &[]).await;
    let document = |secret: &Object| {
        let mut document = spec(&unique("tls"), &url, json!([{"name": "server"}]));
        document["defaults"]["registry"] = json!({
            "prefix": format!("{}/team", registry.host), "ca": {"configMap": ca.name},
        });
        document["defaults"]["pushSecret"] = json!(secret.name);
        // Each build is to push an image of its own.
        document["defaults"]["reuse"] = json!("never");
        document
    };
    let hosts = Some(registry.host.as_str());

    let secret = registry.secret(&registry.password, hosts);
    let allowed = document(&secret);
    let image = build(&worker, &allowed).await.output().images.remove(0);
    let digest = run(&mut registry.crane(&["digest", &image.reference]));
    assert_eq!(digest.trim(), image.digest);
    assert!(image.reference.starts_with(&registry.host), "{image:?}");
    assert!(events(allowed["app"].as_str().expect("a name")) > 0);

    // What it takes it gives: to a `FROM`, and to a container that uses it as it is.
    let from = format!("FROM {}\nCOPY . /more/\n", image.reference);
    let mut next = document(&secret);
    let source = publish(&unique("tls"), &[("Dockerfile", &from)]);
    next["defaults"]["source"] = json!({"git": {"url": source}});
    next["components"][0]["containers"] =
        json!([{"name": "based"}, {"name": "used", "image": image.reference}]);
    next["defaults"]["pullSecret"] = json!(secret.name);
    let images = build(&worker, &next).await.output().images;
    assert_ne!(images[0].digest, image.digest);
    assert_eq!(images[1].digest, image.digest);

    let mut stranger = document(&secret);
    let registry_settings = stranger["defaults"]["registry"].as_object_mut();
    registry_settings.expect("it is given").remove("ca");
    let (kind, details) = build(&worker, &stranger).await.failure();
    assert_eq!(kind, "RegistryDenied", "{details:?}");
    let message = &details.failures[0].message;
    assert!(message.contains("x509"), "{message}");

    let secret = registry.secret("wrong", hosts);
    let (kind, details) = build(&worker, &document(&secret)).await.failure();
    assert_eq!(kind, "RegistryDenied", "{details:?}");
    assert!(details.failures[0].pod.is_some(), "Kaniko was refused");
    let message = &details.failures[0].message;
    assert!(message.contains(&registry.host), "{message}");

    let secret = registry.secret(&registry.password, None);
    let unlisted = document(&secret);
    let (kind, details) = build(&worker, &unlisted).await.failure();
    assert_eq!(kind, "RegistryDenied", "{details:?}");
    let message = &details.failures[0].message;
    for said in [&registry.host, &secret.name, "kiln.io/hosts"] {
        assert!(message.contains(said), "{message}");
    }
    assert_eq!(events(unlisted["app"].as_str().expect("a name")), 0);
}

fn failure<'a>(details: &'a FailureDetails, container: &str) -> &'a Failure {
    let mut failures = details.failures.iter();
    failures
        .find(|failure| failure.container == container)
        .unwrap_or_else(|| panic!("{container} should have failed: {details:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_named() {
    let lost = format!("{}/library/lost:1", variable("KILN_REGISTRY"));
    let url = publish(
        &unique("wrong"),
        &[
            ("lost/Dockerfile", &format!("FROM {lost}\nCOPY . /\n")),
            ("odd/Dockerfile", "FROM scratch\nCOPY . /\nCOYP a b\n"),
        ],
    );
    let worker = Worker::start(&unique("wrong"), &[]).await;
    let containers = json!([
        {"name": "lost", "contextDir": "lost"},
        {"name": "odd", "contextDir": "odd"},
        {"name": "used", "image": lost},
    ]);
    let document = spec(&unique("wrong"), &url, containers);
    let (kind, details) = build(&worker, &document).await.failure();
    assert_eq!(kind, "BaseImageNotFound", "{details:?}");
    let (base, used) = (failure(&details, "lost"), failure(&details, "used"));
    assert_eq!((base.line, &base.pod, &used.pod), (Some(1), &None, &None), "{details:?}");
    for failure in [base, used] {
        assert_eq!(failure.kind.name(), "BaseImageNotFound", "{failure:?}");
        assert!(failure.message.contains(&lost), "{failure:?}");
    }
    let odd = failure(&details, "odd");
    assert_eq!(odd.kind.name(), "BuildFailed", "{odd:?}");
    assert_eq!(odd.line, Some(3), "{odd:?}");
    assert_eq!(odd.instruction.as_deref(), Some("COYP a b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_source_opens_for_its_own_secret_alone() {
    let name = unique("guarded");
    let public = publish(&name, &[("Dockerfile", SCRATCH)]);
    let private = publish(&format!("private/{}", unique("guarded")), &[("Dockerfile", SCRATCH)]);
    let elsewhere = Object::new(json!({
        "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"annotations": {"kiln.io/hosts": "git.example.com"}},
        "stringData": {
            "username": variable("KILN_GIT_USER"), "password": variable("KILN_GIT_PASSWORD"),
        },
    }));
    let worker = Worker::start(&unique("guarded"), &[]).await;
    let ended = async |url: &str, secret: Option<&str>| {
        let mut document = spec(&unique("guarded"), &public, json!([{"name": "server"}]));
        let git = json!({"url": url, "revision": "main", "secret": secret});
        document["defaults"]["source"] = json!({"git": git});
        build(&worker, &document).await
    };
    let ssh = format!("{}/{name}.git", variable("KILN_GIT_SSH_URL"));
    for (url, secret) in [(&ssh, "git-ssh"), (&private, "git-private")] {
        let output = ended(url, Some(secret)).await.output();
        assert_eq!(output.images.len(), 1, "{url}");
    }
    let secret = elsewhere.name.as_str();
    for (secret, said) in [(None, "private/"), (Some(secret), "git.example.com")] {
        let (kind, details) = ended(&private, secret).await.failure();
        assert_eq!(kind, "SourceDenied", "{details:?}");
        let message = &details.failures[0].message;
        assert!(message.contains(said), "{message}");
    }
}
