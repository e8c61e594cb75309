//! Which build a step, an object or a message belongs to.

use serde::{Deserialize, Serialize};

/// One attempt of one container's build.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildId {
    /// Name of the app.
    pub app: String,
    /// Name of the component; empty where a step is for all components.
    pub component: String,
    /// Name of the container; empty where a step is for all containers.
    pub container: String,
    /// Id of the workflow.
    pub workflow_id: String,
    /// Run id of the workflow's first execution.
    pub run_id: String,
    /// Id of the workflow that a user started. It is shown what this build waits for.
    pub root: String,
    /// Counted from 1; 0 before the first attempt.
    pub attempt: u32,
    /// The platform, if the container has several. Each platform has its own attempts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
}
