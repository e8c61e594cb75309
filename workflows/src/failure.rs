//! The public failure types, and what a failure tells.

use serde::{Deserialize, Serialize};

use crate::bounds;

/// What went wrong, by what can be done about it. The names are public: a caller in any language
/// reads them as the `type` of the application failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, strum::VariantArray)]
pub enum FailureType {
    /// The document is wrong.
    InvalidSpec,
    /// The Dockerfile or a template value does not render.
    InvalidTemplate,
    /// There is no such repository.
    SourceNotFound,
    /// There is no such branch, tag, commit, directory or file in it.
    RevisionNotFound,
    /// The repository refuses us, or the Secret may not be used for its host.
    SourceDenied,
    /// The repository's server is down or slow.
    SourceUnavailable,
    /// The store is down or slow.
    StoreUnavailable,
    /// The Kubernetes API is down or slow.
    ClusterUnavailable,
    /// The registry is down or slow.
    RegistryUnavailable,
    /// An image that the build stands on does not exist.
    BaseImageNotFound,
    /// The registry refuses a pull or a push, or the Secret may not be used for its host.
    RegistryDenied,
    /// An instruction of the Dockerfile failed.
    BuildFailed,
    /// The executor was killed for its memory.
    OutOfMemory,
    /// The cluster evicted the Pod.
    Evicted,
    /// The Pod's node is gone.
    NodeLost,
    /// Someone deleted the Pod.
    PodDeleted,
    /// No node took the Pod within its timeout.
    Unschedulable,
    /// The executor did not start within its timeout.
    ImagePullFailed,
    /// The cluster had no room for the Pod within its timeout.
    QuotaExceeded,
    /// The building or the whole timeout ran out.
    DeadlineExceeded,
    /// The id or the Pod's name belongs to another.
    Conflict,
    /// The version belongs to another build.
    VersionExists,
    /// A person refused the delivery.
    Rejected,
    /// A person cancelled this container, and not the build.
    ContainerCancelled,
    /// Every worker that ran a step died during it.
    WorkerDied,
    /// A mistake of Kilnworks itself.
    Internal,
}

impl FailureType {
    /// The public name.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// What a person can do about it, in a sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::InvalidSpec => {
                "correct the named fields; `kiln plan SPEC` finds faults without a server"
            }
            Self::InvalidTemplate => "correct the named line of the template, or its values",
            Self::SourceNotFound => "check `source.git.url`",
            Self::RevisionNotFound => {
                "check `source.git.revision`, `contextDir` and `dockerfile` at that commit"
            }
            Self::SourceDenied => {
                "check `source.git.secret`, and that its annotation kiln.io/hosts lists the host"
            }
            Self::SourceUnavailable
            | Self::StoreUnavailable
            | Self::ClusterUnavailable
            | Self::RegistryUnavailable => {
                "it was away for longer than its timeout; see to it, or raise `timeouts.whole`"
            }
            Self::BaseImageNotFound => "check the image in FROM, or in `image`",
            Self::RegistryDenied => {
                "check `pushSecret` and `pullSecret`, and that kiln.io/hosts on them lists the registry"
            }
            Self::BuildFailed => "see to the named instruction; the log tells more",
            Self::OutOfMemory => "raise `resources.memory`",
            Self::Evicted | Self::NodeLost | Self::PodDeleted => {
                "the cluster took every attempt's Pod: see its events, or raise KILN_MAX_ATTEMPTS"
            }
            Self::Unschedulable => {
                "no node has room: lower `resources`, add nodes, or raise `timeouts.scheduling`"
            }
            Self::ImagePullFailed => {
                "check KILN_EXECUTOR_IMAGE and what the Pod mounts, or raise `timeouts.pulling`"
            }
            Self::QuotaExceeded => {
                "raise the quota of the build namespace, KILN_MAX_BUILDS, or `timeouts.queued`"
            }
            Self::DeadlineExceeded => {
                "make the build faster, or raise the named timeout in `timeouts`"
            }
            Self::Conflict => "wait for the other build to end, or give another id",
            Self::VersionExists => "give another version",
            Self::ContainerCancelled => "someone wanted that; build it again where it is wanted",
            Self::Rejected => {
                "see the reason that was given; the images are there, the package is not"
            }
            Self::WorkerDied => {
                "see why the workers ended (`kubectl describe pod`): mostly their memory limit"
            }
            Self::Internal => "report it, with the workflow's history",
        }
    }

    /// Whether the same step may mend it by being run again after a while.
    pub fn waiting_mends(self) -> bool {
        matches!(
            self,
            Self::SourceUnavailable
                | Self::StoreUnavailable
                | Self::ClusterUnavailable
                | Self::RegistryUnavailable
        )
    }

    /// Whether a new Pod may do better.
    pub fn new_attempt_mends(self) -> bool {
        matches!(
            self,
            Self::OutOfMemory
                | Self::Evicted
                | Self::NodeLost
                | Self::PodDeleted
                | Self::RegistryUnavailable
                | Self::StoreUnavailable
        )
    }
}

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
