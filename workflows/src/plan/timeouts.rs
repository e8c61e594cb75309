//! How long a container's build may wait for what, and take.

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
    /// All of it.
    pub whole: u64,
}

/// One of the five.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Timeout {
    /// Waiting for a free place.
    Queued,
    /// Waiting for a node.
    Scheduling,
    /// Pulling the executor's image and mounting what it needs.
    Pulling,
    /// Running the executor.
    Building,
    /// All of it.
    Whole,
}

impl Timeout {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Scheduling => "scheduling",
            Self::Pulling => "pulling",
            Self::Building => "building",
            Self::Whole => "whole",
        }
    }
}

impl Timeouts {
    /// One of them.
    pub(crate) fn of(&mut self, timeout: Timeout) -> &mut u64 {
        match timeout {
            Timeout::Queued => &mut self.queued,
            Timeout::Scheduling => &mut self.scheduling,
            Timeout::Pulling => &mut self.pulling,
            Timeout::Building => &mut self.building,
            Timeout::Whole => &mut self.whole,
        }
    }

    /// Each longer by what was granted.
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
