//! Delivery packages, on the real stack: versions, files, charts, provenance.

use std::process::Command;

use kilnworks_tests::{
    engine::{End, eventually, variable},
    stack::{PATIENCE, Worker, change, cluster, ended, pods, publish, run, spec, start, unique},
};
use kilnworks_workflows::{output::BuildOutput, record::Record};
use serde_json::{Value, json};

async fn build(worker: &Worker, document: &Value) -> End {
    let id = unique("deliver");
    start("BuildApp", &worker.queue, &id, document);
    ended(&id).await
}

fn crane(arguments: &[&str]) -> String {
    run(Command::new("crane").args(arguments).arg("--insecure")).trim().to_owned()
}

fn manifest(reference: &str) -> Value {
    serde_json::from_str(&crane(&["manifest", reference])).expect("a manifest")
}

/// A package, opened by an ordinary tool.
struct Package {
    repository: String,
    index: Value,
    layers: Vec<Value>,
}

impl Package {
    fn of(output: &BuildOutput) -> Self {
        Self::at(&output.package.as_ref().expect("a package").reference)
    }

    fn at(reference: &str) -> Self {
        let repository = reference.rsplit_once(':').expect("a tag").0.to_owned();
        let index = manifest(reference);
        let is_record = |child: &&Value| child["annotations"]["kiln.io/role"] == "record";
        let children = index["manifests"].as_array().expect("children");
        let record = children.iter().find(is_record).expect("a record");
        let digest = record["digest"].as_str().expect("a digest");
        let layers = manifest(&format!("{repository}@{digest}"))["layers"].clone();
        let layers = serde_json::from_value(layers).expect("layers");
        Self { repository, index, layers }
    }

    fn blob(&self, layer: &Value) -> String {
        let digest = layer["digest"].as_str().expect("a digest");
        crane(&["blob", &format!("{}@{digest}", self.repository)])
    }

    fn record(&self) -> Value {
        serde_json::from_str(&self.blob(&self.layers[0])).expect("JSON")
    }

    /// A file by the name that tools write it under.
    fn file(&self, title: &str) -> String {
        let has = |layer: &&Value| layer["annotations"]["org.opencontainers.image.title"] == title;
        self.blob(
            self.layers.iter().find(has).unwrap_or_else(|| panic!("{title}: {:?}", self.layers)),
        )
    }

    fn images(&self) -> Vec<&str> {
        let children = self.index["manifests"].as_array().expect("children").iter();
        let images = children.filter(|child| child["annotations"]["kiln.io/role"].is_null());
        images.map(|child| child["digest"].as_str().expect("a digest")).collect()
    }
}

fn dockerfile() -> String {
    format!("FROM {}\nCOPY file /\n", variable("KILN_BASE_IMAGE"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_published_once() {
    let worker = Worker::start(&unique("version"), &[]).await;
    let (app, name) = (unique("version"), unique("version"));
    let url = publish(&name, &[("Dockerfile", &dockerfile()), ("file", "1")]);
    let versioned = |version: &str| {
        let mut document = spec(&app, &url, json!([{"name": "one"}]));
        document["version"] = json!(version);
        document
    };
    let first = build(&worker, &versioned("1.2.0+7")).await.output();
    let package = first.package.as_ref().expect("a package");
    assert!(package.reference.ends_with(&format!("/{app}:1.2.0_7")), "{package:?}");
    let again = build(&worker, &versioned("1.2.0+7")).await.output();
    assert_eq!(again.package, first.package, "the same again is a success and publishes nothing");
    assert!(again.images[0].reused);

    change(&name, &[("file", "2")]);
    let (kind, details) = build(&worker, &versioned("1.2.0+7")).await.failure();
    assert_eq!(kind, "VersionExists");
    let message = &details.failures[0].message;
    assert!(message.contains("version `1.2.0+7` is published"), "{message}");
    assert!(message.contains("`web/one` is built of other things now"), "{message}");
    assert_eq!(details.failures[0].pod, None);
    let cluster = cluster().await;
    // The first build's Pod goes when its node has ended it.
    eventually("no Pod", PATIENCE, async || pods(&cluster, &app).await.is_empty().then_some(()))
        .await;

    // Two at once, and no version twice.
    let auto = versioned("auto");
    let (one, other) = tokio::join!(build(&worker, &auto), build(&worker, &auto));
    let versions = [one, other].map(|end| end.output().version.expect("a version"));
    let mut versions = versions.to_vec();
    versions.sort();
    assert_eq!(versions, ["1.2.1", "1.2.2"]);
    let component = format!("{}/{app}/{app}-web:1.2.2", variable("KILN_REGISTRY"));
    assert_eq!(Package::at(&component).images().len(), 1);
}

const CHART: &str = "apiVersion: v2\nname: site\nversion: 0.1.0 # raised by the build\n";

#[tokio::test(flavor = "multi_thread")]
async fn files_and_charts_are_delivered_with_the_images() {
    let worker = Worker::start(&unique("files"), &[]).await;
    let app = unique("files");
    let site = format!(
        "FROM {} AS build\nRUN mkdir /out && echo hello >/out/index.html\nFROM scratch\nCOPY --from=build /out /\n",
        variable("KILN_BASE_IMAGE")
    );
    let values = "image: {{ images.db_server.reference }}\nversion: {{ version }}\n";
    let url = publish(
        &unique("files"),
        &[
            ("server/Dockerfile", &dockerfile()),
            ("server/file", "1"),
            ("site/Dockerfile", &site),
            ("deploy/values.yaml", values),
            ("chart/Chart.yaml", CHART),
            ("chart/templates/config.yaml", "kind: ConfigMap # {{ .Release.Name }}\n"),
        ],
    );
    let mut document = spec(
        &app,
        &url,
        json!([
            {"name": "db-server", "contextDir": "server"},
            {"name": "site", "contextDir": "site", "yields": "files"},
        ]),
    );
    document["version"] = json!("2.0.0");
    document["components"][0]["files"] =
        json!([{"name": "values.yaml", "path": "deploy/values.yaml"}]);
    document["components"][0]["chart"] = json!("chart");
    document["files"] = json!([
        {"name": "all.txt", "content": "{{ images.web.db_server.digest }}", "mediaType": "text/plain"},
    ]);
    let output = build(&worker, &document).await.output();
    let package = Package::of(&output);
    let server = &output.images[0];
    assert_eq!(package.images(), [server.digest.as_str()], "what yields files is no image");
    let expected = format!("image: {}\nversion: 2.0.0", server.reference);
    assert_eq!(package.file("web/values.yaml"), expected);
    assert_eq!(package.file("templates/web/values.yaml"), values.trim_end());
    assert_eq!(package.file("web/site/index.html"), "hello");
    assert_eq!(package.file("all.txt"), server.digest);

    let record = package.record();
    let schema = serde_json::to_value(schemars::schema_for!(Record)).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let faults: Vec<_> = validator.iter_errors(&record).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new(), "{record}");
    let record: Record = serde_json::from_value(record).expect("a record");
    let made = record.images[0].made.as_ref().expect("what it was made of");
    assert_eq!((made.source.as_str(), made.revision.as_deref()), (url.as_str(), Some("main")));
    assert_eq!(made.bases.len(), 1);
    assert_eq!(record.charts[0].version, "2.0.0");

    let pulled = tempfile::tempdir().expect("a directory");
    let (chart, _) = record.charts[0].reference.rsplit_once(':').expect("a tag");
    run(Command::new("helm").current_dir(pulled.path()).args([
        "pull",
        &format!("oci://{chart}"),
        "--version",
        "2.0.0",
        "--plain-http",
    ]));
    assert!(pulled.path().read_dir().expect("files").count() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn provenance_tells_of_each_image_and_of_the_package() {
    let worker = Worker::start(&unique("origin"), &[]).await;
    let url = publish(&unique("origin"), &[("Dockerfile", &dockerfile()), ("file", "1")]);
    let containers = json!([{"name": "one", "buildArgs": {"TOKEN": "not told"}}]);
    let output = build(&worker, &spec(&unique("origin"), &url, containers)).await.output();
    let image = &output.images[0];
    let package = output.package.as_ref().expect("a package");
    let repository = package.reference.rsplit_once(':').expect("a tag").0;
    let at = |digest: &str| format!("{repository}@{digest}");
    for subject in [image.reference.clone(), at(&image.digest), at(&package.digest)] {
        let (repository, digest) = subject.split_once('@').expect("a digest");
        let discovered = run(Command::new("oras").args([
            "discover",
            "--plain-http",
            "--format",
            "json",
            "--artifact-type",
            "application/vnd.in-toto+json",
            &subject,
        ]));
        let discovered: Value = serde_json::from_str(&discovered).expect("JSON");
        let found = &discovered["referrers"][0]["digest"];
        let found = found.as_str().unwrap_or_else(|| panic!("{discovered}"));
        let layer = &manifest(&format!("{repository}@{found}"))["layers"][0]["digest"];
        let statement =
            crane(&["blob", &format!("{repository}@{}", layer.as_str().expect("a digest"))]);
        assert!(!statement.contains("not told"), "{statement}");
        let statement: Value = serde_json::from_str(&statement).expect("a statement");
        assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
        assert_eq!(
            statement["subject"][0]["digest"]["sha256"],
            digest.trim_start_matches("sha256:")
        );
        let told = statement["predicate"]["buildDefinition"]["resolvedDependencies"].to_string();
        assert!(
            told.contains(&url) && told.contains(image.commit.as_deref().expect("a commit")),
            "{told}"
        );
    }
}
