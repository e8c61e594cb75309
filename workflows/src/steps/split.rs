//! What a document comes to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{document::Kind, plan::Plan, spec::Resolved};

/// A document and what it should be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SplitInput {
    /// What it should be.
    pub kind: Kind,
    /// The document, as it was given.
    pub document: Value,
}

/// What will be done for a document.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// What will be done.
    pub plan: Plan,
    /// What a parent workflow handed down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// Settings of the installation, recorded so that a changed setting does not change a history.
    pub settings: EngineSettings,
}

/// Settings of the installation that a workflow goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineSettings {
    /// Seconds without a heartbeat after which a worker counts as dead.
    pub heartbeat: u64,
    /// How many Pods a container may take, the first one included.
    pub max_attempts: u32,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { heartbeat: 60, max_attempts: 3 }
    }
}
