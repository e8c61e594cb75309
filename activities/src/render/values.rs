//! The values of templates: the five variables of a build, and what the spec adds.

use std::collections::BTreeMap;

use kilnworks_workflows::{failure::FailureType, plan::ContainerPlan};
use minijinja::{Environment, Value, value::Serde};

use super::template;
use crate::error::fail;

/// Names that no value of a spec may take.
const FIVE: [&str; 5] = ["app", "component", "container", "version", "commit"];

/// The variables of every template. `version` is among them where the app has one.
pub(super) fn five(plan: &ContainerPlan, commit: &str) -> BTreeMap<String, Value> {
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

/// Renders the texts of a spec with the five variables.
pub(super) struct Texts<'a> {
    env: Environment<'a>,
    five: Value,
}

impl<'a> Texts<'a> {
    /// A renderer of texts.
    pub(super) fn new(five: &BTreeMap<String, Value>) -> Self {
        Self { env: template::environment(), five: five.clone().into() }
    }

    /// One text. `field` is its place in the spec, for a fault.
    pub(super) fn render(&self, field: &str, text: &str) -> anyhow::Result<String> {
        template::render(&self.env, field, text, &self.five)
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

/// The values of a Dockerfile template: the five variables and those of the spec.
pub(super) fn of_dockerfile(
    texts: &Texts<'_>,
    five: &BTreeMap<String, Value>,
    given: &BTreeMap<String, serde_json::Value>,
) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut values = five.clone();
    for (name, value) in given {
        let field = format!("template.{name}");
        if FIVE.contains(&name.as_str()) {
            let message =
                format!("{field}: the name belongs to Kilnworks; choose another for this value");
            return Err(fail(FailureType::InvalidTemplate, message));
        }
        values.insert(name.clone(), texts.value(&field, value)?);
    }
    Ok(values)
}
