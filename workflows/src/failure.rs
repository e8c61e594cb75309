//! What a failure tells.

mod kind;

use serde::{Deserialize, Serialize};

pub use self::kind::FailureType;
use crate::bounds;

/// One failure, with what a user needs to act on it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// One of the public types.
    #[serde(rename = "type")]
    #[schemars(with = "String")]
    pub kind: FailureType,
    /// What happened, in a sentence.
    pub message: String,
    /// Name of the component.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// Name of the container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// The platform, if the container has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The attempt, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Name of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Exit code of the executor: that of the failed command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The instruction that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// Its line in the rendered Dockerfile, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The end of the executor's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log_tail: String,
    /// URL of the whole log of the attempt in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The failed container because of which this one did not begin, as `component/container`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What a user can do about it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// The attempts before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<FailedAttempt>,
}

/// A failed attempt that was followed by another attempt.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// Counted from 1.
    pub attempt: u32,
    /// The platform, if the container has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// One of the public failure types.
    #[serde(rename = "type")]
    #[schemars(with = "String")]
    pub kind: FailureType,
    /// What happened, in a sentence.
    pub message: String,
    /// Name of its Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// URL of its log in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl FailedAttempt {
    /// The short form of a failure.
    pub fn of(attempt: u32, failure: &Failure) -> Self {
        Self {
            attempt,
            platform: failure.platform.clone(),
            kind: failure.kind,
            message: tail(&failure.message, 512),
            pod: failure.pod.clone(),
            node: failure.node.clone(),
            log: failure.log.clone(),
        }
    }
}

impl Failure {
    /// A failure that does not name its container yet.
    pub fn new(kind: FailureType, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: cut(message.into()),
            remedy: kind.remedy().to_owned(),
            ..Self::default()
        }
    }

    /// The failure of a container that did not begin, as its base `cause` failed.
    pub(crate) fn due_to(cause: &str, kind: FailureType, message: &str) -> Self {
        let why = format!("not begun, as `{cause}` failed, from which it is built: {message}");
        Self {
            cause: Some(cause.to_owned()),
            remedy: format!("see to `{cause}`"),
            ..Self::new(kind, why)
        }
    }

    /// The failure of one of several platforms, which its message names.
    pub(crate) fn on(self, platform: &str) -> Self {
        let message = cut(format!("{platform}: {}", self.message));
        Self { platform: Some(platform.to_owned()), message, ..self }
    }

    /// Names the container, unless the failure names one already.
    pub fn of(mut self, component: &str, container: &str) -> Self {
        if self.container.is_empty() {
            self.component = component.to_owned();
            self.container = container.to_owned();
        }
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.container.is_empty() {
            write!(f, "{}/{}: ", self.component, self.container)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The end of a message, which contains the reason, cut to [`bounds::MESSAGE_BYTES`].
pub fn cut(text: String) -> String {
    tail(&text, bounds::MESSAGE_BYTES)
}

/// At most the first `bytes` of a text and `…`, cut between characters.
pub fn head(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// At most `…` and the last `bytes` of a text, cut between characters.
pub fn tail(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let start = (text.len() - bytes..text.len()).find(|at| text.is_char_boundary(*at));
    format!("…{}", &text[start.unwrap_or(text.len())..])
}
