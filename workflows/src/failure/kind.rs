//! The public failure types, with their remedies.

use serde::{Deserialize, Serialize};

/// What went wrong. The names are public: a caller in any language reads them as the `type` of the
/// application failure.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, strum::VariantArray,
)]
pub enum FailureType {
    /// The document is invalid.
    InvalidSpec,
    /// The Dockerfile or a template value does not render.
    InvalidTemplate,
    /// The repository does not exist.
    SourceNotFound,
    /// The repository has no such branch, tag, commit, directory or file.
    RevisionNotFound,
    /// The repository denies access, or the Secret is not for its host.
    SourceDenied,
    /// The repository's server is down or slow.
    SourceUnavailable,
    /// The store is down or slow.
    StoreUnavailable,
    /// The Kubernetes API is down or slow.
    ClusterUnavailable,
    /// The registry is down or slow.
    RegistryUnavailable,
    /// A base image does not exist.
    BaseImageNotFound,
    /// The registry denies a pull or a push, or the Secret is not for its host.
    RegistryDenied,
    /// An instruction of the Dockerfile failed.
    BuildFailed,
    /// The executor exceeded its memory limit.
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
    /// The id or the name of the Pod belongs to another build.
    Conflict,
    /// The version belongs to another build.
    VersionExists,
    /// A user rejected the delivery.
    Rejected,
    /// A user cancelled this container, and not the build.
    ContainerCancelled,
    /// Every worker that ran a step died during it.
    WorkerDied,
    /// A bug of Kilnworks.
    #[default]
    Internal,
}

impl FailureType {
    /// The public name.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// What a user can do about it, in a sentence.
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

    /// Whether a later run of the same step may succeed.
    pub fn waiting_mends(self) -> bool {
        matches!(
            self,
            Self::SourceUnavailable
                | Self::StoreUnavailable
                | Self::ClusterUnavailable
                | Self::RegistryUnavailable
        )
    }

    /// Whether a new Pod may succeed.
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
