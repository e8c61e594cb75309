//! The public failure types, and what a failure tells.

mod kind;

pub use self::kind::FailureType;
use crate::bounds;
use serde::{Deserialize, Serialize};

/// One failure, with what a person needs to act on it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
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
    /// Which one of several platforms it was built for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Which attempt, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Name of the Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Exit code of the executor, which is the failing command's.
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
    /// Where the attempt's whole log is: an URL of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The container that failed, as `component/container`, where this one was not begun for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What a person can do about it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// The attempts before this one, as far as there were any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<FailedAttempt>,
}

/// An attempt that failed and was followed by another one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// Counted from 1.
    pub attempt: u32,
    /// Which one of several platforms it was built for.
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
    /// Where its log is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl FailedAttempt {
    /// What is kept of a failure that was followed by another attempt.
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
    /// A failure that is not yet anyone's.
    pub fn new(kind: FailureType, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: cut(message.into()),
            component: String::new(),
            container: String::new(),
            platform: None,
            attempt: None,
            pod: None,
            node: None,
            exit_code: None,
            instruction: None,
            line: None,
            log_tail: String::new(),
            log: None,
            cause: None,
            remedy: kind.remedy().to_owned(),
            earlier: Vec::new(),
        }
    }

    /// The failure of what was not begun, as a container that it is built from has none.
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

    /// The failure, put down to a container unless it is one's already.
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

/// Cuts a text to what an error may carry, keeping its end, where the reason is.
pub fn cut(text: String) -> String {
    tail(&text, bounds::MESSAGE_BYTES)
}

/// The first `bytes` of a text at most, cut at a character, the cut marked.
pub fn head(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// The last `bytes` of a text at most, cut at a character, the cut marked.
pub fn tail(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let start = (text.len() - bytes..text.len()).find(|at| text.is_char_boundary(*at));
    format!("…{}", &text[start.unwrap_or(text.len())..])
}
