//! Rendered objects as snapshots, and what the operator's template can and cannot do to them.

use std::path::Path;

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, SecretEnvSource};
use serde_json::{Value, json};

use super::{Site, render_object};
use crate::{
    fixtures::{full, minimal, settings},
    pod::{access::Access, manifest, template::Template},
    settings::{Bucket, Delivery, LauncherKind},
    store::{ContextStore, s3::S3Store},
};

fn rendered(
    launcher: LauncherKind,
    input: &kilnworks_workflows::steps::LaunchInput,
    access: &Access,
) -> Value {
    let site = Site::new(settings(launcher, None), "default", "kiln").unwrap();
    render_object(&site, input, access).unwrap()
}

fn s3() -> Access {
    Access {
        context: "s3://contexts/abc.tar.gz".to_owned(),
        env: vec![EnvVar {
            name: "S3_ENDPOINT".to_owned(),
            value: Some("http://s3.example".to_owned()),
            value_from: None,
        }],
        env_from: vec![EnvFromSource {
            secret_ref: Some(SecretEnvSource { name: "kiln-store".to_owned(), optional: None }),
            ..EnvFromSource::default()
        }],
        ..Access::default()
    }
}

fn volume() -> Access {
    Access {
        context: "tar:///kiln/store/contexts/abc.tar.gz".to_owned(),
        volumes: vec![
            serde_json::from_value(json!({
                "name": "kiln-store", "persistentVolumeClaim": {"claimName": "kiln", "readOnly": true},
            }))
            .unwrap(),
        ],
        mounts: vec![
            serde_json::from_value(json!({
                "name": "kiln-store", "mountPath": "/kiln/store", "readOnly": true,
            }))
            .unwrap(),
        ],
        ..Access::default()
    }
}

#[test]
fn a_minimal_pod() {
    insta::assert_yaml_snapshot!(rendered(LauncherKind::Pod, &minimal(), &volume()));
}

#[test]
fn a_full_pod() {
    insta::assert_yaml_snapshot!(rendered(LauncherKind::Pod, &full(), &s3()));
}

/// Kubernetes expands `$(NAME)` in what it is given.
#[test]
fn a_dollar_is_one_in_every_variable() {
    let mut access = s3();
    access.env[0].value = Some("http://$(HOME).example/$$".to_owned());
    let pod = rendered(LauncherKind::Pod, &minimal(), &access);
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["env"][0]["value"], "http://$$(HOME).example/$$$$");
}

/// As the S3 store gives it.
async fn presigned() -> Access {
    let store = S3Store::open(Bucket {
        name: "contexts".to_owned(),
        endpoint: Some("http://s3.example".to_owned()),
        region: None,
        secret: None,
        delivery: Delivery::Presigned("registry.example/kiln:1".to_owned()),
    });
    Access::of(store.await.location("abc.tar.gz"))
}

#[tokio::test]
async fn a_pod_whose_context_is_fetched_for_it() {
    insta::assert_yaml_snapshot!(rendered(LauncherKind::Pod, &minimal(), &presigned().await));
}

#[tokio::test]
async fn a_template_cannot_take_away_what_fetches() {
    let settings = settings(LauncherKind::Pod, None);
    let ours = manifest::pod(&settings, "instance", &minimal(), &presigned().await);
    let template = |text: &str| Template::new(Path::new("pod.yaml"), text.to_owned());
    let over = |text: &str| {
        serde_json::to_value(template(text).over(&ours, &minimal().id, "").unwrap()).unwrap()
    };
    let theirs = "metadata: {annotations: {kiln.io/context-url: theirs}}\n\
        spec: {initContainers: [{name: fetch-context, command: [sh], args: [x]}]}";
    assert_eq!(over(theirs), over(""));
    let image = over("spec: {initContainers: [{name: fetch-context, image: mine}]}");
    assert_eq!(image["spec"]["initContainers"][0]["image"], "mine");
}

#[test]
fn a_job() {
    insta::assert_yaml_snapshot!(rendered(LauncherKind::Job, &minimal(), &s3()));
}

/// One of several platforms: its own name, nodes, flag and label.
#[test]
fn a_pod_for_a_platform() {
    let mut input = full();
    input.build.platforms = vec!["linux/arm/v7".to_owned()];
    let one = rendered(LauncherKind::Pod, &input, &s3());
    assert_eq!(one["metadata"], rendered(LauncherKind::Pod, &full(), &s3())["metadata"]);
    input.id.platform = "linux/arm/v7".to_owned();
    let several = rendered(LauncherKind::Pod, &input, &s3());
    let nodes = json!({"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm"});
    for pod in [&one, &several] {
        assert_eq!(pod["spec"]["nodeSelector"], nodes);
        let args = pod["spec"]["containers"][0]["args"].as_array().unwrap();
        assert!(args.contains(&json!("--custom-platform=linux/arm/v7")), "{args:?}");
    }
    assert_eq!(several["metadata"]["labels"]["kiln.io/platform"], "linux-arm-v7");
    let name = several["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("shop-web-front-arm-v7-"), "{name}");
    let last = |pod: &Value| {
        let args = pod["spec"]["containers"][0]["args"].as_array().unwrap().clone();
        let tags = args.into_iter().filter(|it| it.as_str().unwrap().starts_with("--destination="));
        tags.collect::<Vec<_>>().pop()
    };
    assert_ne!(last(&one), last(&several), "each pushes under a tag of its own");
}

fn over(template: &str) -> anyhow::Result<Value> {
    let input = minimal();
    let settings = settings(LauncherKind::Pod, None);
    let pod = manifest::pod(&settings, "instance", &input, &s3());
    let template = Template::new(Path::new("pod.yaml"), template.to_owned());
    Ok(serde_json::to_value(template.over(&pod, &input.id, "linux/arm64")?)?)
}

#[test]
fn a_template_adds_and_changes() {
    let pod = over(
        r#"
metadata: {annotations: {team: "{{ app }}-{{ component }}"}}
spec:
  hostNetwork: true
  nodeSelector: {pool: builds}
  automountServiceAccountToken: null
  tolerations: [{key: builds, operator: Exists}]
  containers:
  - name: executor
    env: [{name: S3_ENDPOINT, value: other}, {name: HTTP_PROXY, value: "{{ attempt }}"}]
    securityContext: {capabilities: {add: [CHOWN]}}
  - {name: side, image: proxy}
  volumes: [{name: scratch, emptyDir: {}}]
"#,
    );
    insta::assert_yaml_snapshot!(pod.unwrap());
}

#[test]
fn a_template_cannot_take_a_pod_away_from_us() {
    let ours = over("").unwrap();
    let theirs = over(
        r#"
apiVersion: v2
metadata: {name: theirs, namespace: theirs, labels: {kiln.io/run: theirs}, annotations: {kiln.io/dockerfile: theirs}}
spec:
  restartPolicy: Always
  containers: [{name: executor, command: [sh], args: [--no-push], terminationMessagePolicy: File}]
"#,
    );
    assert_eq!(theirs.unwrap(), ours);
}

#[test]
fn a_wrong_template_says_where() {
    for (template, message) in [
        ("spec:\n  nodeName: {{ node }}", "pod.yaml:2: "),
        ("spec:\n  nodeName: {{ app", "pod.yaml:2: "),
        ("spec:\n  - a\n  b: c", "pod.yaml:3: "),
        ("- a", "a Pod template is a mapping"),
        ("spec: {hostNetwrok: true}", "`spec.hostNetwrok` is not a field of a Pod"),
        ("spec: {hostNetwork: [1]}", "it does not make a Pod"),
    ] {
        let error = format!("{:#}", over(template).unwrap_err());
        assert!(error.contains(message) && error.starts_with("pod.yaml"), "{template}: {error}");
    }
}
