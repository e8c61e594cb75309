//! When a build happens at all, what it does after a failure, and what it waits for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When there is a build at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnlyIf {
    /// Where something would come out other than what is published: under the version that is
    /// given, with `version: auto` under the latest one, and without a version at all. Otherwise
    /// nothing is built, no version is taken, and the outcome is `unchanged`.
    Changed,
}

/// What becomes of a build while a container has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// It ends once the other containers have.
    #[default]
    Fail,
    /// It waits for a decision: `retry_container` or `cancel_container`.
    Wait,
}

impl OnFailure {
    /// Whether it need not be written.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub fn is_default(&self) -> bool {
        *self == Self::Fail
    }
}

/// Where a build waits for a person's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// Every image is there; the package of what was started is not made before `approve`.
    BeforeDeliver,
}
