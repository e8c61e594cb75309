//! What a container does or waits for.

use serde::{Deserialize, Serialize};

/// What a container does or waits for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing was begun.
    #[default]
    Waiting,
    /// Its source is fetched.
    Fetching,
    /// Its Dockerfile is rendered and its context put into the store.
    Packing,
    /// Someone paused it: it is not launched until it is resumed.
    Paused,
    /// It waits for room in the cluster.
    Queued,
    /// Its Pod waits for a node.
    Scheduling,
    /// Its node pulls the executor's image.
    Pulling,
    /// The executor runs.
    Building,
    /// It failed, and the build waits for a person's decision about it.
    Undecided,
    /// The image is in its registry.
    Done,
    /// There is no image.
    Failed,
    /// Someone cancelled it.
    Cancelled,
}

impl State {
    /// The state in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fetching => "fetching",
            Self::Packing => "packing",
            Self::Paused => "paused",
            Self::Queued => "queued",
            Self::Scheduling => "scheduling",
            Self::Pulling => "pulling",
            Self::Building => "building",
            Self::Undecided => "undecided",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}
