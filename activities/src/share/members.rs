//! Who shares a Pod or Job.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kilnworks_workflows::names;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An execution: the first of a workflow's chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Id of the workflow.
    pub workflow_id: String,
    /// Run id of its first execution.
    pub run_id: String,
}

impl Member {
    /// Name of its label and of its annotation.
    pub fn label(&self) -> String {
        names::member(&self.run_id)
    }

    /// The value of its annotation.
    pub fn text(&self) -> String {
        json!(self).to_string()
    }

    /// The patch by which it joins this version of an object, and no other.
    pub fn joining(&self, meta: &ObjectMeta) -> Value {
        patch(meta, &self.label(), json!(""), json!(self.text()))
    }
}

/// The patch by which an execution leaves this version of an object, and no other.
pub fn leaving(meta: &ObjectMeta, run_id: &str) -> Value {
    patch(meta, &names::member(run_id), Value::Null, Value::Null)
}

fn patch(meta: &ObjectMeta, member: &str, label: Value, annotation: Value) -> Value {
    json!({"metadata": {
        "resourceVersion": meta.resource_version,
        "labels": {member: label},
        "annotations": {member: annotation},
    }})
}

/// The members of an object by the names of their annotations, each with who it says that it is.
pub fn of(meta: &ObjectMeta) -> BTreeMap<&str, Option<Member>> {
    let annotations = meta.annotations.iter().flatten();
    let members = annotations.filter(|(name, _)| name.starts_with(names::MEMBER_PREFIX));
    members.map(|(name, text)| (name.as_str(), serde_json::from_str(text).ok())).collect()
}
