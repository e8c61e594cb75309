//! The states of a container.

use serde::{Deserialize, Serialize};

/// What a container does or waits for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Deserialize,
    Serialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum State {
    /// It has not begun.
    #[default]
    Waiting,
    /// A worker fetches its source.
    Fetching,
    /// A worker renders its Dockerfile and uploads its context.
    Packing,
    /// A user paused it. It waits for `resume`.
    Paused,
    /// It waits for room in the cluster.
    Queued,
    /// Its Pod waits for a node.
    Scheduling,
    /// Its node pulls the executor's image.
    Pulling,
    /// The executor runs.
    Building,
    /// It failed, and the build waits for a user's decision.
    Undecided,
    /// The image is in its registry.
    Done,
    /// It has no image.
    Failed,
    /// A user cancelled it.
    Cancelled,
}

impl State {
    /// The state as JSON has it.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The state in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "not begun",
            Self::Fetching => "fetching the source",
            Self::Packing => "under way",
            Self::Paused => "paused",
            Self::Queued => "waiting for room",
            Self::Scheduling => "waiting for a node",
            Self::Pulling => "starting its Pod",
            Self::Building => "building",
            Self::Undecided => "failed, waiting for a decision",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the container has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}
