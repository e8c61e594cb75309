//! Packages in the stack's registry: published, published again, interrupted, read.
//!
//! Needs the stack: run `make up` and source `.local/env`.

use crate::support::{
    recorder::Recorder,
    registries::{Own, client, image, index, repository},
    stack::of_stack,
};
use kilnworks_activities::{
    error::failure_of,
    package::{
        chart::Chart,
        layout::{self, CHART, CHART_ARCHIVE, Notes, Of, Role},
        parts::{self, Contents, Source},
        provenance::{IN_TOTO, attach, of_package},
        publish::publish,
        read::{self, open},
    },
    registry::{Body, Repository, descriptor},
};
use kilnworks_workflows::{
    failure::FailureType,
    names,
    output::Package,
    plan::Registry,
    record::{API_VERSION, Record},
};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor};
use serde_json::{Value, json};

type File = (OciDescriptor, Source<Body>);

fn file(name: &str, role: Role, text: &str) -> File {
    let digest = format!("sha256:{}", names::hex(text.as_bytes()));
    let blob = descriptor("text/plain", &digest, text.len() as u64);
    let layer = layout::file(blob, role, Some("server"), None, name);
    (layer, Source::Made(Body::Bytes(text.as_bytes().to_vec())))
}

async fn container(
    name: &str,
    at: &Repository,
    digest: &str,
) -> anyhow::Result<(ImageIndexEntry, Repository)> {
    let entry = parts::image(at, digest, ("server", name), name == "migrate", None).await?;
    Ok((entry, at.clone()))
}

const CHART_YAML: &[u8] = br#"{"name": "shop", "version": "1.0.0"}"#;

async fn chart() -> (ImageIndexEntry, Source<Chart>) {
    let archive = b"archive".to_vec();
    let config = Body::Bytes(CHART_YAML.to_vec()).describe(CHART).await.unwrap();
    let layers = vec![Body::Bytes(archive.clone()).describe(CHART_ARCHIVE).await.unwrap()];
    let manifest = layout::manifest(None, config, layers).unwrap();
    let notes = Notes::default().own("component", Some("server")).role(Role::Chart);
    let entry = notes.entry(&manifest, None).unwrap();
    let (name, version) = ("shop".to_owned(), "1.0.0".to_owned());
    (entry, Source::Made(Chart { name, version, archive, config: CHART_YAML.to_vec(), manifest }))
}

/// A component with two images, one of several platforms, a chart and a file; its record tells when.
async fn contents(host: &str, when: &str) -> Contents {
    let (web, migrate) = (repository(host, "web").await, repository(host, "migrate").await);
    let own = image(&web, &["base", "web"]).await;
    let (arm, amd) = (image(&migrate, &["base", "arm"]).await, image(&migrate, &["base"]).await);
    let both = index(&migrate, &[("arm64", &arm), ("amd64", &amd)]).await;
    Contents {
        of: Of {
            app: "shop".to_owned(),
            component: Some("server".to_owned()),
            version: Some("1.0.0+7".to_owned()),
        },
        images: vec![
            container("web", &web, &own.digest).await.unwrap(),
            container("migrate", &migrate, &both.digest).await.unwrap(),
        ],
        charts: vec![chart().await],
        files: vec![
            file("deploy.yaml", Role::File, "image: a@sha256:1"),
            file("deploy.yaml", Role::Template, "image: {{ x }}"),
        ],
        record: format!(r#"{{"when": "{when}"}}"#).into_bytes(),
    }
}

async fn published(to: &Repository, contents: &Contents) -> Package {
    publish(to, contents).await.expect("it is published")
}

async fn opened(reference: &str) -> read::Package {
    open(&client(), &Registry::default(), reference).await.expect("a package")
}

/// The message of a refused version.
async fn refused(to: &Repository, contents: &Contents) -> String {
    let error = publish(to, contents).await.expect_err("a refusal");
    let failure = failure_of(&error).unwrap_or_else(|| panic!("no type: {error:#}"));
    assert_eq!(failure.kind, FailureType::VersionExists, "{failure}");
    failure.message.clone()
}

#[tokio::test]
async fn what_is_published_is_read() {
    let host = of_stack("KILN_REGISTRY");
    let (to, contents) = (repository(&host, "shop-server").await, contents(&host, "now").await);
    let done = published(&to, &contents).await;
    assert_eq!(done.reference, format!("{}:1.0.0_7", to.name()));
    let package = opened(&done.reference).await;
    assert_eq!(package.manifest.digest, done.digest);
    assert_eq!(package.of, contents.of);
    assert_eq!(package.record, contents.record);
    let images: Vec<_> = package.images.iter().map(|it| &*it.container).collect();
    assert_eq!(images, ["web", "migrate"]);
    assert_eq!(package.images[0].entry.digest, contents.images[0].0.digest);
    for image in &package.images {
        let platform = image.entry.platform.as_ref().expect("a platform");
        let platform = format!("{}/{}", platform.os, platform.architecture);
        assert_eq!(platform, "linux/amd64", "no index in an index");
        let tag = names::child_tag(&image.entry.digest);
        assert_eq!(to.digest_of(&tag).await.unwrap().as_ref(), Some(&image.entry.digest));
    }
    let chart = to.manifest(&package.charts[0].digest).await.unwrap().unwrap();
    let chart = chart.parts().unwrap();
    assert_eq!(chart.config.unwrap().media_type, CHART);
    assert_eq!(chart.layers[0].media_type, CHART_ARCHIVE);
    assert_eq!(package.bytes(&package.files[0], 99).await.unwrap(), b"image: a@sha256:1");
    assert_eq!(package.bytes(&package.templates[0], 99).await.unwrap(), b"image: {{ x }}");
    assert_eq!((package.files.len(), package.templates.len()), (1, 1));
    assert_eq!(opened(&to.reference(&done.digest)).await.manifest, package.manifest);
}

#[tokio::test]
async fn the_index_is_as_documented() {
    let host = of_stack("KILN_REGISTRY");
    let (to, contents) = (repository(&host, "shop-server").await, contents(&host, "now").await);
    let done = published(&to, &contents).await;
    let manifest = opened(&done.reference).await.manifest;
    let index: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    assert_eq!(index["artifactType"], "application/vnd.kilnworks.package.v1+json");
    assert_eq!(index["annotations"]["org.opencontainers.image.title"], "shop-server");
    assert_eq!(index["annotations"]["org.opencontainers.image.version"], "1.0.0+7");
    assert_eq!(index["annotations"]["kiln.io/app"], "shop");
    assert_eq!(index["annotations"]["kiln.io/component"], "server");
    let entries = index["manifests"].as_array().unwrap();
    let role = |entry: &Value| entry["annotations"]["kiln.io/role"].as_str().map(str::to_owned);
    let roles: Vec<_> = entries.iter().map(role).collect();
    assert_eq!(roles, [None, None, Some("chart".to_owned()), Some("record".to_owned())]);
    for entry in &entries[2..] {
        assert_eq!(entry["platform"]["os"], "unknown");
        assert_eq!(entry["platform"]["architecture"], "unknown");
    }
    assert_eq!(entries[1]["annotations"]["kiln.io/init"], "true");
    assert!(entries.iter().all(|entry| entry.get("artifactType").is_none()), "{index}");
}

#[tokio::test]
async fn the_same_again_is_the_package_that_is_there() {
    let recorder = Recorder::before(&of_stack("KILN_REGISTRY"));
    let mut contents = contents(&recorder.host, "now").await;
    let to = repository(&recorder.host, "shop-server").await;
    let first = published(&to, &contents).await;
    recorder.sent();
    contents.record = br#"{"when": "later"}"#.to_vec();
    let second = published(&to, &contents).await;
    assert_eq!(second, first);
    assert_eq!(recorder.sent(), [""; 0]);
    assert_eq!(opened(&first.reference).await.record, br#"{"when": "now"}"#);
}

#[tokio::test]
async fn another_package_has_the_version() {
    let host = of_stack("KILN_REGISTRY");
    let (to, mut contents) = (repository(&host, "shop-server").await, contents(&host, "now").await);
    published(&to, &contents).await;
    contents.files[0] = file("deploy.yaml", Role::File, "image: a@sha256:2");
    contents.images.truncate(1);
    let message = refused(&to, &contents).await;
    let told = "the published package differs in file server/deploy.yaml, image server/migrate";
    assert!(message.ends_with(told), "{message}");
    assert!(message.contains(":1.0.0_7` is taken"), "{message}");
    let other = Of { app: "other".to_owned(), ..contents.of.clone() };
    let message = refused(&to, &Contents { of: other, ..contents.clone() }).await;
    assert!(message.ends_with("it is the package of `shop-server`"), "{message}");
    contents.of.version = Some("2.0.0".to_owned());
    let lone = image(&to, &["lone"]).await;
    to.put_manifest("2.0.0", &lone).await.unwrap();
    let message = refused(&to, &contents).await;
    assert!(message.ends_with("it is an image"), "{message}");
    contents.of.version = Some("3.0.0".to_owned());
    published(&to, &contents).await;
}

#[tokio::test]
async fn without_a_version_the_tag_is_of_what_is_inside() {
    let host = of_stack("KILN_REGISTRY");
    let (to, mut contents) = (repository(&host, "shop-server").await, contents(&host, "now").await);
    contents.of.version = None;
    let one = published(&to, &contents).await;
    contents.files.clear();
    let other = published(&to, &contents).await;
    assert_ne!(one.reference, other.reference);
    assert!(one.reference.starts_with(&format!("{}:c", to.name())), "{one:?}");
}

#[tokio::test]
async fn dying_at_any_write_leaves_no_half_package() {
    let upstream = of_stack("KILN_REGISTRY");
    let recorder = Recorder::before(&upstream);
    let contents = contents(&recorder.host, "now").await;
    let to = repository(&recorder.host, "shop-server").await;
    recorder.sent();
    let whole = published(&to, &contents).await;
    let writes = recorder.sent().len();
    assert!(writes > 15, "{writes}");
    for after in 0..writes {
        let to = repository(&recorder.host, "shop-server").await;
        recorder.die_after(after);
        let error = publish(&to, &contents).await.expect_err("it died");
        let failure = failure_of(&error).unwrap_or_else(|| panic!("no type: {error:#}"));
        assert_eq!(failure.kind, FailureType::RegistryUnavailable, "{failure}");
        recorder.die_after(usize::MAX);
        assert_eq!(to.digest_of("1.0.0_7").await.unwrap(), None, "after {after} writes");
        recorder.sent();
        let done = published(&to, &contents).await;
        assert_eq!(done.digest, whole.digest, "after {after} writes");
        opened(&done.reference).await;
    }
    // The answer to the last write is lost: the package is there, and is found.
    let to = repository(&recorder.host, "shop-server").await;
    recorder.die_after(writes);
    publish(&to, &contents).await.expect_err("it died");
    recorder.die_after(usize::MAX);
    let done = published(&to, &contents).await;
    assert_eq!(done.digest, whole.digest);
}

#[tokio::test]
async fn a_missing_image_is_named() {
    let at = repository(&of_stack("KILN_REGISTRY"), "migrate").await;
    let digest = format!("sha256:{}", names::hex(b"gone"));
    let error = container("migrate", &at, &digest).await.err().expect("a failure");
    let message = format!("{error:#}");
    assert!(message.starts_with("server/migrate: the registry has no image"), "{message}");
}

#[tokio::test]
async fn nothing_is_published_without_an_image_of_it() {
    let host = of_stack("KILN_REGISTRY");
    let (to, mut contents) = (repository(&host, "shop-server").await, contents(&host, "now").await);
    contents.images[1].0.digest = format!("sha256:{}", names::hex(b"gone"));
    let error = publish(&to, &contents).await.expect_err("a failure");
    let message = format!("{error:#}");
    assert!(message.starts_with("the registry does not have all of"), "{message}");
    assert_eq!(to.digest_of("1.0.0_7").await.unwrap(), None);
}

#[tokio::test]
async fn an_apps_package_takes_parts_of_another_registry() {
    let own = Own::with_referrers();
    let host = of_stack("KILN_REGISTRY");
    let (from, contents) = (repository(&host, "shop-server").await, contents(&host, "now").await);
    let component = opened(&published(&from, &contents).await.reference).await;
    let placed = || component.repository.clone();
    let images = component.images.iter().map(|image| (image.entry.clone(), placed()));
    let charts =
        component.charts.iter().map(|entry| (entry.clone(), Source::Placed(Box::new(placed()))));
    let files =
        component.files.iter().map(|it| (it.blob.clone(), Source::Placed(Box::new(placed()))));
    let app = Contents {
        of: Of { component: None, ..contents.of.clone() },
        images: images.collect(),
        charts: charts.collect(),
        files: files.collect(),
        record: b"{}".to_vec(),
    };
    let to = repository(&own.host, "shop").await;
    let package = opened(&published(&to, &app).await.reference).await;
    assert_eq!(package.inside(), component.inside());
    assert_eq!(package.bytes(&package.files[0], 99).await.unwrap(), b"image: a@sha256:1");
    assert_eq!(package.of.title(), "shop");
}

#[tokio::test]
async fn what_is_no_package_is_called_by_its_name() {
    let at = repository(&of_stack("KILN_REGISTRY"), "no-package").await;
    let lone = image(&at, &["lone"]).await;
    let both = index(&at, &[("amd64", &lone)]).await;
    for (reference, told) in [
        (at.reference(&lone.digest), "is an image, not a package of Kilnworks"),
        (at.reference(&both.digest), "is an index of images, not a package of Kilnworks"),
        (format!("{}:none", at.name()), "there is no package"),
        (at.name().to_owned(), "has neither a tag nor a digest"),
    ] {
        let error = open(&client(), &Registry::default(), &reference).await.err().expect("no");
        assert!(format!("{error:#}").contains(told), "{error:#}");
    }
}

#[tokio::test]
async fn provenance_is_attached_to_a_package_once() {
    let own = Own::with_referrers();
    for host in [of_stack("KILN_REGISTRY"), own.host.clone()] {
        let (to, contents) = (repository(&host, "shop-server").await, contents(&host, "now").await);
        let package = opened(&published(&to, &contents).await.reference).await;
        let record: Record = serde_json::from_value(json!({
            "apiVersion": API_VERSION, "app": "shop", "images": [], "run": {
                "workflowId": "shop", "runId": "run", "kilnworks": "0",
                "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:01Z",
            },
        }))
        .unwrap();
        let statement = of_package(&record, to.name(), &package.manifest.digest);
        let subject = package.manifest.descriptor();
        let attached = attach(&to, &subject, &statement).await.unwrap();
        assert_eq!(attach(&to, &subject, &statement).await.unwrap(), attached, "{host}");
        let found = to.referrers(&subject.digest, Some(IN_TOTO)).await.unwrap();
        let digests: Vec<_> = found.iter().map(|entry| &entry.digest).collect();
        assert_eq!(digests, [&attached], "{host}");
        let layer = to.manifest(&attached).await.unwrap().unwrap().parts().unwrap().layers;
        let read = to.read_blob(&layer[0], 99_999).await.unwrap();
        let read: Value = serde_json::from_slice(&read).unwrap();
        let hex = package.manifest.digest.trim_start_matches("sha256:");
        assert_eq!(read["subject"][0]["digest"]["sha256"], hex, "{host}");
    }
}
