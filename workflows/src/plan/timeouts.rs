//! The timeouts of a container's build.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The five timeouts, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Waiting for a free place.
    pub queued: u64,
    /// Waiting for a node.
    pub scheduling: u64,
    /// Pulling the executor's image and mounting what it needs.
    pub pulling: u64,
    /// Running the executor.
    pub building: u64,
    /// The whole build of the container.
    pub whole: u64,
}

/// The name of a timeout.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Timeout {
    /// Waiting for a free place.
    Queued,
    /// Waiting for a node.
    Scheduling,
    /// Pulling the executor's image and mounting what it needs.
    Pulling,
    /// Running the executor.
    Building,
    /// The whole build of the container.
    Whole,
}

impl Timeout {
    /// The name as JSON has it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl Timeouts {
    /// The timeout of this name.
    pub(crate) fn of(&mut self, timeout: Timeout) -> &mut u64 {
        match timeout {
            Timeout::Queued => &mut self.queued,
            Timeout::Scheduling => &mut self.scheduling,
            Timeout::Pulling => &mut self.pulling,
            Timeout::Building => &mut self.building,
            Timeout::Whole => &mut self.whole,
        }
    }

    /// Each timeout with the granted time added.
    pub(crate) fn longer_by(self, granted: Self) -> Self {
        Self {
            queued: self.queued + granted.queued,
            scheduling: self.scheduling + granted.scheduling,
            pulling: self.pulling + granted.pulling,
            building: self.building + granted.building,
            whole: self.whole + granted.whole,
        }
    }
}
