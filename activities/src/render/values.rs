//! The values of templates: the variables of a build, and what the spec adds.

use std::collections::BTreeMap;

use kilnworks_workflows::{failure::FailureType, plan::ContainerPlan};
use minijinja::{Environment, Value, value::Serde};

use crate::{
    error::fail,
    template::{self, with_underscores},
};

/// Names that no value of a spec may take; where there are `images`, that is one more.
const FIVE: [&str; 5] = ["app", "component", "container", "version", "commit"];

/// The variables of every template. `version` is among them where the app has one, `images` where
/// the container is built from others.
pub(super) fn known(
    plan: &ContainerPlan,
    commit: &str,
    images: &BTreeMap<String, String>,
) -> BTreeMap<String, Value> {
    let mut known = five(plan, commit);
    if !images.is_empty() {
        known.insert("images".to_owned(), images_of(&plan.component, images));
    }
    known
}

/// How a template of a container names an image of another.
pub(super) fn value_of(plan: &ContainerPlan, name: &str) -> String {
    let own = format!("{}/", plan.component);
    let name = name.strip_prefix(&own).unwrap_or(name);
    format!("images.{}", name.replace('/', ".").replace('-', "_"))
}

/// `images.<container>` for those of the own component, `images.<component>.<container>` for the
/// others; beside that each as `images["component/container"]`, which is never two.
fn images_of(component: &str, images: &BTreeMap<String, String>) -> Value {
    let mut others: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    let mut own = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (name, reference) in images {
        let (of, container) = name.split_once('/').unwrap_or((component, name));
        let image = image(reference);
        all.insert(name.clone(), image.clone().into());
        match of == component {
            true => drop(own.insert(container.to_owned(), image)),
            false => drop(
                others.entry(of.to_owned()).or_default().insert(container.to_owned(), image.into()),
            ),
        }
    }
    // A container may have the name of another component: both are there then.
    for (container, image) in own {
        others.entry(container).or_default().extend(image);
    }
    all.extend(others.into_iter().map(|(name, values)| (name, with_underscores(values))));
    with_underscores(all)
}

fn image(reference: &str) -> BTreeMap<String, Value> {
    let (repository, digest) = reference.split_once('@').unwrap_or((reference, ""));
    let values = [("reference", reference), ("repository", repository), ("digest", digest)];
    values.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn five(plan: &ContainerPlan, commit: &str) -> BTreeMap<String, Value> {
    let given = [
        ("app", Some(plan.app.as_str())),
        ("component", Some(&plan.component)),
        ("container", Some(&plan.container)),
        ("version", plan.version.as_deref()),
        ("commit", Some(commit)),
    ];
    let named =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    named.collect()
}

/// Renders the texts of a spec with the variables of the build.
pub(super) struct Texts<'a> {
    env: Environment<'a>,
    known: Value,
}

impl<'a> Texts<'a> {
    /// A renderer of texts.
    pub(super) fn new(known: &BTreeMap<String, Value>) -> Self {
        Self { env: template::environment(), known: known.clone().into() }
    }

    /// One text. `field` is its place in the spec, for a fault.
    pub(super) fn render(&self, field: &str, text: &str) -> anyhow::Result<String> {
        template::render(&self.env, field, text, &self.known)
    }

    /// The values of a map of texts.
    pub(super) fn map(
        &self,
        field: &str,
        texts: &BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let render = |(key, text): (&String, &String)| {
            Ok((key.clone(), self.render(&format!("{field}.{key}"), text)?))
        };
        texts.iter().map(render).collect()
    }

    /// A value with every text in it rendered, however deep.
    fn value(&self, field: &str, value: &serde_json::Value) -> anyhow::Result<Value> {
        use serde_json::Value::{Array, Object, String};
        match value {
            String(text) => Ok(self.render(field, text)?.into()),
            Array(items) => {
                let render = |(index, item)| self.value(&format!("{field}[{index}]"), item);
                items.iter().enumerate().map(render).collect()
            }
            Object(fields) => {
                let render = |(key, value): (&std::string::String, _)| {
                    Ok((key.clone(), self.value(&format!("{field}.{key}"), value)?))
                };
                let fields: anyhow::Result<BTreeMap<_, _>> = fields.iter().map(render).collect();
                Ok(fields?.into())
            }
            other => Ok(Serde(other).into()),
        }
    }
}

/// The values of a Dockerfile template: the variables of the build and those of the spec.
pub(super) fn of_dockerfile(
    texts: &Texts<'_>,
    known: &BTreeMap<String, Value>,
    given: &BTreeMap<String, serde_json::Value>,
) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut values = known.clone();
    for (name, value) in given {
        let field = format!("template.{name}");
        if FIVE.contains(&name.as_str()) || known.contains_key(name) {
            let message =
                format!("{field}: the name belongs to Kilnworks; choose another for this value");
            return Err(fail(FailureType::InvalidTemplate, message));
        }
        values.insert(name.clone(), texts.value(&field, value)?);
    }
    Ok(values)
}
