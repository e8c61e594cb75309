//! The provenance of a package and of its images, as in-toto statements with SLSA provenance.
//!
//! Formats: <https://in-toto.io/Statement/v1>, <https://slsa.dev/provenance/v1>.

use std::collections::BTreeMap;

use kilnworks_workflows::{
    output::{Base, ContainerImage, Made},
    record::Record,
};
use oci_client::manifest::OciDescriptor;
use serde::Serialize;
use serde_json::{Value, json};

use crate::registry::{Attachment, Repository};

/// The type of a statement, and of its attachment.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const BUILD: &str = "https://kilnworks.dev/build/v1";
const BUILDER: &str = "https://kilnworks.dev/kiln";

#[cfg(test)]
mod tests;

/// An in-toto statement.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<Resource>,
    predicate_type: &'static str,
    predicate: Provenance,
}

/// A resource with its digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    uri: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    digest: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provenance {
    build_definition: Definition,
    run_details: Details,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    build_type: &'static str,
    /// What the user asked for.
    external_parameters: Value,
    /// What the builder did by itself: attempts, and why they failed.
    internal_parameters: Value,
    resolved_dependencies: Vec<Resource>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Details {
    builder: Builder,
    metadata: Metadata,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    byproducts: Vec<Resource>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Builder {
    id: &'static str,
    version: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    invocation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_on: Option<String>,
}

/// The provenance of a package. `name` and `digest` are the package's own.
pub fn of_package(record: &Record, name: &str, digest: &str) -> Statement {
    let images = || record.images.iter();
    let external = json!({
        "app": record.app,
        "component": record.component,
        "version": record.version,
        "containers": images().map(asked).collect::<Vec<_>>(),
    });
    statement(
        vec![resource(name, digest)],
        external,
        json!({"containers": images().map(done).collect::<Vec<_>>()}),
        images().collect(),
        record,
        (&record.run.workflow_id, &record.run.run_id),
    )
}

/// The provenance of an image of a package, given by its digest or by that of one of its platforms.
/// None for an image that was used as it is; its builder must provide it.
pub fn of_image(record: &Record, image: &ContainerImage, digest: &str) -> Option<Statement> {
    let made = image.made.as_deref()?;
    let name = image.reference.split('@').next().unwrap_or(&image.reference);
    Some(statement(
        vec![resource(name, digest)],
        asked(image),
        done(image),
        vec![image],
        record,
        (&made.workflow_id, &made.run_id),
    ))
}

/// Attaches a statement to its subject in a repository, and returns the digest of the attachment.
pub async fn attach(
    repository: &Repository,
    subject: &OciDescriptor,
    statement: &Statement,
) -> anyhow::Result<String> {
    let attachment = Attachment {
        artifact_type: IN_TOTO,
        media_type: IN_TOTO,
        bytes: &serde_json::to_vec(statement)?,
        // By this annotation other builders tell statements apart.
        annotations: [("in-toto.io/predicate-type".to_owned(), PROVENANCE.to_owned())].into(),
    };
    repository.attach(subject, attachment).await
}

fn statement(
    subject: Vec<Resource>,
    external_parameters: Value,
    internal_parameters: Value,
    images: Vec<&ContainerImage>,
    record: &Record,
    (workflow, run): (&str, &str),
) -> Statement {
    let time = |time: &String| Some(time.clone()).filter(|time| !time.is_empty());
    let definition = Definition {
        build_type: BUILD,
        external_parameters,
        internal_parameters,
        resolved_dependencies: dependencies(&images),
    };
    let metadata = Metadata {
        invocation_id: format!("{workflow}/{run}"),
        started_on: time(&record.run.started),
        finished_on: time(&record.run.finished),
    };
    let version = BTreeMap::from([("kilnworks", record.run.kilnworks.clone())]);
    let byproducts = images.iter().filter_map(|image| byproduct(image)).collect();
    let builder = Builder { id: BUILDER, version };
    Statement {
        kind: STATEMENT,
        subject,
        predicate_type: PROVENANCE,
        predicate: Provenance {
            build_definition: definition,
            run_details: Details { builder, metadata, byproducts },
        },
    }
}

/// What the spec says of a container.
fn asked(image: &ContainerImage) -> Value {
    let ContainerImage { component, container, .. } = image;
    match image.made.as_deref() {
        None => json!({"component": component, "container": container, "image": image.reference}),
        Some(made) => json!({
            "component": component,
            "container": container,
            "source": made.source,
            "revision": made.revision,
            "contextDir": made.context_dir,
            "dockerfile": {"digest": digest(&made.dockerfile)},
            "buildArgs": made.build_args,
        }),
    }
}

/// How the image of a container was built.
fn done(image: &ContainerImage) -> Value {
    let ContainerImage { component, container, attempts, reused, earlier, .. } = image;
    let failed = earlier.iter().map(
        |failed| json!({"attempt": failed.attempt, "type": failed.kind, "message": failed.message}),
    );
    json!({
        "component": component,
        "container": container,
        "platform": image.platform,
        "attempts": attempts,
        "failedAttempts": failed.collect::<Vec<_>>(),
        "reused": reused,
    })
}

/// The sources and base images of images, each once.
fn dependencies(images: &[&ContainerImage]) -> Vec<Resource> {
    let mut dependencies: Vec<Resource> = Vec::new();
    let mut add = |resource| {
        if !dependencies.contains(&resource) {
            dependencies.push(resource);
        }
    };
    for image in images {
        let Some(made) = image.made.as_deref() else {
            add(base(&image.reference, &image.digest));
            continue;
        };
        if let Some(commit) = &image.commit {
            add(source(made, commit));
        }
        made.bases.iter().map(|Base { image, digest }| base(image, digest)).for_each(&mut add);
    }
    dependencies
}

fn source(made: &Made, commit: &str) -> Resource {
    let revision = made.revision.as_deref().map(|it| format!("@{it}")).unwrap_or_default();
    // As SPDX writes it. An address without a scheme, such as `git@host:path`, stays as it is.
    let uri = match made.source.contains("://") {
        true => format!("git+{}{revision}", made.source),
        false => format!("{}{revision}", made.source),
    };
    Resource { name: String::new(), uri, digest: [("gitCommit", commit.to_owned())].into() }
}

fn base(image: &str, sha: &str) -> Resource {
    Resource { name: String::new(), uri: format!("oci://{image}"), digest: digest(sha) }
}

fn resource(name: &str, sha: &str) -> Resource {
    Resource { name: name.to_owned(), uri: String::new(), digest: digest(sha) }
}

fn digest(sha: &str) -> BTreeMap<&'static str, String> {
    [("sha256", sha.trim_start_matches("sha256:").to_owned())].into()
}

/// The context, named by its content key.
fn byproduct(image: &ContainerImage) -> Option<Resource> {
    let made = image.made.as_deref().filter(|made| !made.context.is_empty())?;
    Some(Resource {
        name: format!("{}/{} context", image.component, image.container),
        uri: format!("kiln-context:{}", made.context),
        digest: BTreeMap::new(),
    })
}
