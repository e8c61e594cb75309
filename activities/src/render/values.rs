//! The values of templates: the variables of a build, and the values of the spec.

use std::collections::BTreeMap;

use kilnworks_workflows::{failure::FailureType, plan::ContainerPlan};
use minijinja::{Environment, Value, value::Serde};

use crate::{
    error::fail,
    template::{self, OF_DOCKERFILE, with_underscores},
};

/// Names that no value of a spec may have. `images` is reserved only if the container has images.
const RESERVED: [&str; 5] = ["app", "component", "container", "version", "commit"];

/// The variables of every template: `version` only if the app has one, `images` only if the container
/// is built from other containers.
pub(super) fn known(
    plan: &ContainerPlan,
    commit: &str,
    images: &BTreeMap<String, String>,
) -> BTreeMap<String, Value> {
    let given = [
        ("app", Some(Value::from(plan.app.as_str()))),
        ("component", Some(Value::from(plan.component.as_str()))),
        ("container", Some(Value::from(plan.container.as_str()))),
        ("version", plan.version.as_deref().map(Value::from)),
        ("commit", Some(Value::from(commit))),
        ("images", (!images.is_empty()).then(|| images_of(&plan.component, images))),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The name of another container's image in a template of this container.
pub(super) fn value_of(plan: &ContainerPlan, name: &str) -> String {
    let own = format!("{}/", plan.component);
    let name = name.strip_prefix(&own).unwrap_or(name);
    format!("images.{}", name.replace('/', ".").replace('-', "_"))
}

/// `images.<container>` for images of the own component, `images.<component>.<container>` for others.
/// Each image is also `images["component/container"]`, which is never ambiguous.
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
    // A container may have the name of another component: the name then leads to both.
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

/// Renders the texts of a spec with the variables of the build.
pub(super) struct Texts<'a> {
    env: Environment<'a>,
    known: Value,
}

impl<'a> Texts<'a> {
    pub(super) fn new(known: &BTreeMap<String, Value>) -> Self {
        Self { env: template::environment(), known: known.clone().into() }
    }

    /// Renders one text. Errors name its place in the spec, `field`.
    pub(super) fn render(&self, field: &str, text: &str) -> anyhow::Result<String> {
        template::render_within(&OF_DOCKERFILE, &self.env, field, text, &self.known)
    }

    /// Renders the values of a map.
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

    /// Renders every text in a value, at any depth.
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
        if RESERVED.contains(&name.as_str()) || known.contains_key(name) {
            let message =
                format!("{field}: the name belongs to Kilnworks; choose another for this value");
            return Err(fail(FailureType::InvalidTemplate, message));
        }
        values.insert(name.clone(), texts.value(&field, value)?);
    }
    Ok(values)
}
