//! A package of two images, made without a build, and `kiln package` without a server.

use std::{
    path::Path,
    process::{Command, Output},
};

use kilnworks_activities::{
    package::{
        files::render_one,
        layout::{self, Of, Role},
        parts::{self, Contents, Source},
        provenance,
        publish::publish,
        read,
        values::{as_built, values},
    },
    registry::{Body, Local, RegistryClient, descriptor},
};
use kilnworks_workflows::{
    names,
    output::ContainerImage,
    plan::Registry,
    record::{API_VERSION, PackagedFile, Record, Run},
};

use crate::{engine::variable, stack::run};

/// The template of the package's only file.
pub const TEMPLATE: &str = "kind: Pod\nimage: {{ images.web.reference }}\n# {{ version }}\n";

/// A published package.
pub struct Published {
    /// `host/name:tag`.
    pub reference: String,
    /// Of its index.
    pub digest: String,
    /// Its images: container and digest.
    pub images: Vec<(String, String)>,
}

/// Publishes the package `<prefix>/shop:<version>`, with the provenance of itself and its images.
/// `salt` makes its images others than any before.
pub async fn published(prefix: &str, version: &str, salt: &str) -> Published {
    let names = ["web", "db-migration"];
    let images: Vec<_> = names.map(|name| image(prefix, name, salt)).into();
    let (record, rendered) = record(version, &images);
    let registry = RegistryClient::local(Local::default());
    let to = registry.open(&format!("{prefix}/shop"), &Registry::default()).await;
    let to = to.expect("a repository");
    let contents = contents(&registry, &record, &rendered).await;
    let done = publish(&to, &contents).await.expect("it is published");
    let package = read::open(&registry, &Registry::default(), &done.reference).await;
    let package = package.expect("a package");
    let own = provenance::of_package(&record, to.name(), &done.digest);
    let subject = package.manifest.descriptor();
    provenance::attach(&to, &subject, &own).await.expect("a referrer");
    let digests = images.into_iter().map(|image| (image.container, image.digest)).collect();
    Published { reference: done.reference, digest: done.digest, images: digests }
}

/// The node's smallest image with one more layer.
fn image(prefix: &str, name: &str, salt: &str) -> ContainerImage {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("salt"), format!("{name} {salt}")).expect("a file");
    run(Command::new("tar").args(["-cf", "layer.tar", "salt"]).current_dir(directory.path()));
    let pause = format!("{}/pause:1", variable("KILN_REGISTRY"));
    let repository = format!("{prefix}/shop-web-{name}");
    let layer = directory.path().join("layer.tar");
    let layer = layer.to_str().expect("a path");
    let tag = format!("{repository}:1");
    run(Command::new("crane").args(["append", "-b", &pause, "-f", layer, "-t", &tag]));
    let digest = run(Command::new("crane").args(["digest", &tag])).trim().to_owned();
    ContainerImage {
        component: "web".to_owned(),
        container: name.to_owned(),
        init: name == "db-migration",
        reference: names::reference(&repository, &digest),
        tags: vec!["1".to_owned()],
        digest,
        size: 1,
        platform: "linux/amd64".to_owned(),
        platforms: Vec::new(),
        commit: Some("0123456789abcdef".to_owned()),
        attempts: 1,
        reused: false,
        files: false,
        made: Some(Box::default()),
        earlier: vec![],
        times: Default::default(),
    }
}

/// The record, and the text of its file.
fn record(version: &str, images: &[ContainerImage]) -> (Record, String) {
    let mut record = Record {
        api_version: API_VERSION.to_owned(),
        app: "shop".to_owned(),
        component: None,
        version: Some(version.to_owned()),
        images: images.to_vec(),
        files: vec![],
        charts: vec![],
        run: Run { workflow_id: format!("shop-{version}"), ..Run::default() },
    };
    let known = values(&record, Some("web"), None, &as_built);
    let rendered = render_one("deploy/web.yaml", TEMPLATE, &known).expect("a file");
    let digest = |text: &str| format!("sha256:{}", names::hex(text.as_bytes()));
    record.files = vec![PackagedFile {
        component: Some("web".to_owned()),
        name: "deploy/web.yaml".to_owned(),
        media_type: "application/yaml".to_owned(),
        digest: digest(&rendered),
        size: rendered.len() as u64,
        template: Some(digest(TEMPLATE)),
        ..PackagedFile::default()
    }];
    (record, rendered)
}

async fn contents(registry: &RegistryClient, record: &Record, rendered: &str) -> Contents {
    let file = |role, text: &str| {
        let digest = format!("sha256:{}", names::hex(text.as_bytes()));
        let blob = descriptor("application/yaml", &digest, text.len() as u64);
        let layer = layout::file(blob, role, Some("web"), None, "deploy/web.yaml");
        (layer, Source::Made(Body::Bytes(text.as_bytes().to_vec())))
    };
    let mut images = Vec::new();
    for image in &record.images {
        let name = names::repository_of(&image.reference);
        let from = registry.open(&name, &Registry::default()).await.expect("a repository");
        let names = (image.component.as_str(), image.container.as_str());
        let entry = parts::image(&from, &image.digest, names, image.init, None).await;
        images.push((entry.expect("an image"), from));
    }
    Contents {
        of: Of { app: "shop".to_owned(), component: None, version: record.version.clone() },
        images,
        charts: vec![],
        files: vec![file(Role::File, rendered), file(Role::Template, TEMPLATE)],
        record: serde_json::to_vec(record).expect("JSON"),
    }
}

/// `kiln package …` of someone who has neither an engine nor a cluster.
pub fn kiln(arguments: &[&str]) -> Command {
    let mut kiln = Command::new(crate::stack::kiln());
    kiln.arg("package").args(arguments);
    kiln.env("TEMPORAL_ADDRESS", "127.0.0.1:1").env("KUBECONFIG", "/nowhere");
    kiln.env("DOCKER_CONFIG", "/nowhere");
    kiln
}

/// What `kiln package …` printed.
pub fn printed(arguments: &[&str]) -> String {
    run(&mut kiln(arguments))
}

/// Exit code and what was said on stderr.
pub fn refused(arguments: &[&str]) -> (i32, String) {
    ended(kiln(arguments).output().expect("kiln runs"))
}

/// Exit code and stderr of a command that ended.
pub fn ended(output: Output) -> (i32, String) {
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code().expect("an exit code"), said)
}

/// A path as text.
pub fn path(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().expect("a path").to_owned()
}
