//! The operator's Pod template: a YAML file in the shape of a Pod, merged over every build Pod.
//!
//! The worker first renders the template with `app`, `component`, `container`, `attempt` and
//! `platform` (empty if the spec names none). Then it merges the result:
//! - An object is merged field by field. A `null` removes a field.
//! - A list of objects is merged by `name` (mounts by `mountPath`). Items that are new, or have
//!   neither, are appended. So `containers: [{name: executor, …}]` changes the executor, another
//!   name adds a sidecar, and tolerations are added.
//! - Any other value replaces ours.
//!
//! The template cannot change what Kilnworks finds its Pods by and reads results from: the name,
//! the namespace, `kiln.io/` labels and annotations, the restart policy, and the command, arguments
//! and termination message of the executor and of the container that fetches the context.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Pod;
use kilnworks_workflows::build_id::BuildId;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde_json::{Map, Value};

use crate::pod::{executor, presigned};

/// A Pod template, not rendered yet.
#[derive(Clone, Debug)]
pub struct Template {
    path: PathBuf,
    text: String,
}

impl Template {
    /// Reads a template.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read the Pod template `{}` (KILN_POD_TEMPLATE)", path.display())
        })?;
        Ok(Self::new(path, text))
    }

    /// A template with this text. Errors name the path.
    pub fn new(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), text }
    }

    /// The text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The Pod with the template merged over it.
    pub fn over(&self, pod: &Pod, id: &BuildId, platform: &str) -> anyhow::Result<Pod> {
        let template = self.render(id, platform)?;
        let ours = serde_json::to_value(pod).context("cannot write the Pod as JSON")?;
        let mut merged = ours.clone();
        merge(&mut merged, template);
        keep_ours(&mut merged, &ours);
        let typed: Pod = serde_json::from_value(merged.clone())
            .with_context(|| format!("{}: it does not make a Pod", self.path.display()))?;
        let back = serde_json::to_value(&typed).context("cannot write the Pod as JSON")?;
        if let Some(path) = lost("", &merged, &back) {
            bail!("{}: `{path}` is not a field of a Pod", self.path.display());
        }
        Ok(typed)
    }

    /// The rendered template. Names of apps, components and containers are DNS labels, so they
    /// cannot break the YAML around them.
    fn render(&self, id: &BuildId, platform: &str) -> anyhow::Result<Value> {
        let path = self.path.display().to_string();
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        // By the name of the file, minijinja would write every value as JSON, in quotes.
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        let BuildId { app, component, container, attempt, .. } = id;
        let values = context! { app, component, container, attempt, platform };
        let text = match engine.render_named_str(&path, &self.text, values) {
            Ok(text) => text,
            Err(error) => bail!(
                "{path}:{}: {}; known are `app`, `component`, `container`, `attempt` and `platform`",
                error.line().unwrap_or(1),
                error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
            ),
        };
        let value: Value = match serde_saphyr::from_str(&text) {
            Ok(value) => value,
            Err(error) => {
                let line = error.location().map_or(1, |at| at.line());
                bail!("{path}:{line}: {}", error.without_snippet());
            }
        };
        match value {
            Value::Null => Ok(Value::Object(Map::new())),
            Value::Object(_) => Ok(value),
            _ => bail!("{path}:1: a Pod template is a mapping such as `spec: {{…}}`"),
        }
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (Value::Array(into), Value::Array(from)) if from.iter().all(Value::is_object) => {
            for value in from {
                let known = into.iter_mut().find(|one| is_same(one, &value));
                match known {
                    Some(known) => merge(known, value),
                    None => into.push(value),
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Whether two items of a list have the same key.
fn is_same(one: &Value, other: &Value) -> bool {
    let key = ["mountPath", "name"]
        .into_iter()
        .find(|key| one.get(key).is_some() && other.get(key).is_some());
    key.is_some_and(|key| one[key] == other[key])
}

/// Restores what the template may not change.
fn keep_ours(merged: &mut Value, ours: &Value) {
    for path in
        ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/spec/restartPolicy"]
    {
        put(merged, path, ours.pointer(path).cloned());
    }
    for path in ["/metadata/labels", "/metadata/annotations"] {
        let mut all = merged.pointer(path).cloned().unwrap_or_default();
        merge(&mut all, ours.pointer(path).cloned().unwrap_or_default());
        put(merged, path, Some(all));
    }
    for (list, name) in
        [("/spec/containers", executor::NAME), ("/spec/initContainers", presigned::NAME)]
    {
        keep_container(merged.pointer_mut(list), ours.pointer(list), name);
    }
}

/// Restores what a container of ours runs, and how it reports.
fn keep_container(merged: Option<&mut Value>, ours: Option<&Value>, name: &str) {
    let mut ours = ours.and_then(Value::as_array).into_iter().flatten();
    let mut merged = merged.and_then(Value::as_array_mut).into_iter().flatten();
    let ours = ours.find(|one| one["name"] == name);
    let merged = merged.find(|one| one["name"] == name).and_then(Value::as_object_mut);
    let (Some(ours), Some(merged)) = (ours, merged) else { return };
    for key in ["command", "args", "terminationMessagePath", "terminationMessagePolicy"] {
        match ours.get(key) {
            Some(value) => drop(merged.insert(key.to_owned(), value.clone())),
            None => drop(merged.remove(key)),
        }
    }
}

/// Sets the value at a path of two names, or removes it.
fn put(into: &mut Value, path: &str, value: Option<Value>) {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    if let Some(Value::Object(parent)) = into.pointer_mut(parent) {
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name)),
        }
    }
}

/// Path of the first field that is lost when a Pod is parsed and written again: a misspelt field.
fn lost(path: &str, before: &Value, after: &Value) -> Option<String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().find_map(|(key, value)| {
            let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
            match after.get(key) {
                Some(after) => lost(&path, value, after),
                None => Some(path),
            }
        }),
        (Value::Array(before), Value::Array(after)) => {
            before.iter().zip(after).enumerate().find_map(|(index, (before, after))| {
                lost(&format!("{path}[{index}]"), before, after)
            })
        }
        _ => None,
    }
}
