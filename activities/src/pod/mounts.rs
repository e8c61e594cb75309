//! What an executor finds under `/kiln` and where its credentials are.
//!
//! The Dockerfile is an annotation of the Pod: one object, nothing beside it to lose, and
//! `kubectl get pod -o yaml` shows what is built. Kaniko leaves mounted files out of its
//! snapshots, so nothing here enters an image.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath,
    ObjectFieldSelector, ProjectedVolumeSource, SecretProjection, SecretVolumeSource, Volume,
    VolumeMount, VolumeProjection,
};
use kilnworks_workflows::{names, steps::LaunchInput};

/// Directory of everything that we hand to an executor. A store may mount its own below it.
pub const KILN: &str = "/kiln";

/// Where Kaniko looks for `config.json`, in every image of it.
const DOCKER: &str = "/kaniko/.docker";

/// The annotation with the Dockerfile.
pub fn dockerfile_annotation() -> String {
    names::label("dockerfile")
}

/// The annotation with its ignore file.
pub fn dockerignore_annotation() -> String {
    names::label("dockerignore")
}

/// Where the certificate authority of a registry is.
pub fn ca_file(key: &str) -> String {
    format!("{KILN}/ca/{key}")
}

/// The mounts of the executor.
pub fn mounts(input: &LaunchInput) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let credentials = input.registry.secret.iter();
    let credentials = credentials.map(|_| mount("kiln-registry", DOCKER));
    std::iter::once(mount("kiln", KILN)).chain(credentials).collect()
}

/// Their volumes.
pub fn volumes(input: &LaunchInput) -> Vec<Volume> {
    let credentials = input.registry.secret.as_ref().map(|secret| Volume {
        name: "kiln-registry".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.clone()),
            items: Some(vec![item(".dockerconfigjson", "config.json".to_owned())]),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let kiln = Volume {
        name: "kiln".to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources(input)),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    };
    std::iter::once(kiln).chain(credentials).collect()
}

/// One volume for all: the Dockerfile from the annotations, build secrets, the CA.
fn sources(input: &LaunchInput) -> Vec<VolumeProjection> {
    let mut files = vec![annotation("Dockerfile", &dockerfile_annotation())];
    if input.rendered.dockerignore.is_some() {
        files.push(annotation("Dockerfile.dockerignore", &dockerignore_annotation()));
    }
    let dockerfile = VolumeProjection {
        downward_api: Some(DownwardAPIProjection { items: Some(files) }),
        ..VolumeProjection::default()
    };
    let secrets = input.build.secrets.iter().map(|secret| VolumeProjection {
        secret: Some(SecretProjection {
            name: secret.secret.clone(),
            items: Some(vec![item(&secret.key, format!("secrets/{}", secret.name))]),
            optional: None,
        }),
        ..VolumeProjection::default()
    });
    let ca = input.registry.ca.iter().map(|ca| VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: ca.config_map.clone(),
            items: Some(vec![item(&ca.key, format!("ca/{}", ca.key))]),
            optional: None,
        }),
        ..VolumeProjection::default()
    });
    std::iter::once(dockerfile).chain(secrets).chain(ca).collect()
}

fn annotation(path: &str, name: &str) -> DownwardAPIVolumeFile {
    DownwardAPIVolumeFile {
        path: path.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            field_path: format!("metadata.annotations['{name}']"),
            ..ObjectFieldSelector::default()
        }),
        ..DownwardAPIVolumeFile::default()
    }
}

fn item(key: &str, path: String) -> KeyToPath {
    KeyToPath { key: key.to_owned(), path, mode: None }
}
