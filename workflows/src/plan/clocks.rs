//! How long a container's build may wait for what, and take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The five clocks, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clocks {
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
pub enum Clock {
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

impl Clock {
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

impl Clocks {
    /// One of them.
    pub(crate) fn of(&mut self, clock: Clock) -> &mut u64 {
        match clock {
            Clock::Queued => &mut self.queued,
            Clock::Scheduling => &mut self.scheduling,
            Clock::Pulling => &mut self.pulling,
            Clock::Building => &mut self.building,
            Clock::Whole => &mut self.whole,
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
