//! The `meta.yaml` files of SREWorks. Its deployment replaces each `PLACEHOLDER_…`.

use anyhow::Context;
use kilnworks_activities::package::read::Package;
use kilnworks_workflows::{names, output::ContainerImage, record::Record};
use serde_json::{Value, json};

/// The type of a component that has containers.
pub(super) const MICROSERVICE: &str = "K8S_MICROSERVICE";

/// A component.
pub(super) struct Component {
    pub(super) name: String,
    /// The `meta.yaml` of the component.
    pub(super) meta: String,
    version: String,
}

impl Component {
    /// The entry in the `meta.yaml` of the app.
    pub(super) fn entry(&self, path: &str, md5: &str) -> Value {
        json!({
            "componentType": MICROSERVICE,
            "componentName": self.name,
            "packageVersion": self.version,
            "relativePath": path,
            "packageCreator": "kilnworks",
            "packageMd5": md5,
            "packageAddon": "",
            "packageOptions": "{}",
            "packageExt": self.meta,
        })
    }
}

/// The components that have images, in the order of the record.
pub(super) fn components(package: &Package, record: &Record) -> anyhow::Result<Vec<Component>> {
    let images: Vec<_> = record.images.iter().filter(|image| !image.files).collect();
    let mut all: Vec<&str> = images.iter().map(|image| image.component.as_str()).collect();
    all.dedup();
    let one = |name: &str| {
        let own: Vec<_> = images.iter().copied().filter(|it| it.component == name).collect();
        let meta = serde_saphyr::to_string(&component(package, name, &own)?)?;
        let version = version(package)?.to_owned();
        anyhow::Ok(Component { name: name.to_owned(), meta, version })
    };
    all.into_iter().map(one).collect()
}

/// The `meta.yaml` of the app.
pub(super) fn app(package: &Package, components: Vec<Value>) -> anyhow::Result<String> {
    Ok(serde_saphyr::to_string(&json!({
        "appId": package.of.app,
        "packageVersion": version(package)?,
        "packageCreator": "kilnworks",
        "componentPackages": components,
        "tags": [],
    }))?)
}

fn version(package: &Package) -> anyhow::Result<&str> {
    let version = package.of.version.as_deref();
    version.context("the package has no version, but SREWorks requires one")
}

fn component(package: &Package, name: &str, images: &[&ContainerImage]) -> anyhow::Result<Value> {
    let app = &package.of.app;
    let version = version(package)?;
    let mut labels = json!({"appId": app, "componentName": name});
    for (key, value) in [
        ("appId", app.as_str()),
        ("componentName", name),
        ("stageId", "PLACEHOLDER_STAGE_ID"),
        ("clusterId", "PLACEHOLDER_CLUSTER_ID"),
    ] {
        labels[format!("labels.appmanager.oam.dev/{key}")] = json!(value);
    }
    labels["stageId"] = json!("PLACEHOLDER_STAGE_ID");
    let annotations = json!({"annotations.appmanager.oam.dev/version": version});
    Ok(json!({
        "apiVersion": "core.oam.dev/v1alpha2",
        "kind": "Component",
        "metadata": {
            "name": format!("microservice-{app}-{name}"),
            "annotations": annotations,
            "labels": labels,
        },
        "spec": {"workload": {
            "apiVersion": "apps.abm.io/v1",
            "kind": "Microservice",
            "metadata": {
                "namespace": "PLACEHOLDER_NAMESPACE_ID",
                "name": "PLACEHOLDER_NAME",
                "labels": labels,
                "annotations": annotations,
            },
            "spec": {
                "kind": "StatefulSet",
                "replicas": 1,
                "initContainers": containers(package, images, true)?,
                "containers": containers(package, images, false)?,
            },
        }},
    }))
}

/// The containers, with images from the repository of the package.
fn containers(
    package: &Package,
    images: &[&ContainerImage],
    init: bool,
) -> anyhow::Result<Vec<Value>> {
    let one = |image: &&ContainerImage| {
        let names = (&image.component, &image.container);
        let stored = package
            .digest_of(names.0, names.1)?
            .with_context(|| format!("the image {}/{} is not in the package", names.0, names.1))?;
        let reference = names::reference(package.repository.name(), &stored);
        anyhow::Ok(json!({"name": image.container, "image": reference}))
    };
    images.iter().filter(|image| image.init == init).map(one).collect()
}
