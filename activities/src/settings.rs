//! What an installation is told: where its store, cluster and caches are. Plain data; the `kiln`
//! command fills it from flags, environment and a file.

use std::{path::PathBuf, time::Duration};

use kilnworks_workflows::steps::LaunchedKind;
use serde::{Deserialize, Serialize};

/// Settings of one installation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Settings {
    /// Name of the installation: with the Temporal namespace it tells its Pods from another's.
    pub install: String,
    /// Where contexts and records lie.
    pub store: StoreSettings,
    /// Where and how builds run.
    pub cluster: ClusterSettings,
    /// Directory of the mirror cache. It may be lost at any time.
    pub cache_dir: PathBuf,
    /// Size in bytes above which the mirrors used longest ago are removed.
    pub cache_bytes: u64,
    /// The most that is kept of one attempt's log, in bytes: half of it from the beginning, half
    /// from the end.
    pub log_bytes: u64,
    /// Seconds without a heartbeat after which a worker counts as dead.
    pub heartbeat: u64,
    /// How many Pods a container may take, the first one included.
    pub max_attempts: u32,
    /// What a sweep goes by.
    pub sweep: SweepSettings,
}

/// What a sweep goes by.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SweepSettings {
    /// Age below which no Pod or Job is looked at.
    pub after: Duration,
    /// Age above which contexts are removed, at least
    /// [`crate::store::retention::SHORTEST_OF_CONTEXTS`].
    pub keep_contexts: Duration,
    /// Age above which logs are removed, at least [`crate::store::retention::SHORTEST_OF_LOGS`].
    pub keep_logs: Duration,
}

/// Where contexts and records lie.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum StoreSettings {
    /// An S3 bucket. The worker's credentials come from the usual chain of the AWS SDK.
    S3(Bucket),
    /// A shared volume.
    Volume {
        /// Where this worker sees it.
        dir: PathBuf,
        /// What Pods mount.
        mount: VolumeMount,
    },
}

/// A bucket, and how builds read it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Bucket {
    /// Its name.
    #[serde(rename = "bucket")]
    pub name: String,
    /// Address of a server other than Amazon's. The bucket is then part of the path, not of the host.
    pub endpoint: Option<String>,
    /// The region, if the environment does not name one.
    pub region: Option<String>,
    /// Secret in the build namespace with the executor's own read-only credentials, as
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. None if Pods have an identity.
    pub secret: Option<String>,
    /// How a context gets from the bucket to its executor.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How a context gets from a bucket to its executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Delivery {
    /// The executor reads the bucket, with credentials that every `RUN` can read, too.
    #[default]
    Direct,
    /// A container of this image, that of `kiln`, fetches the one context by an address that is
    /// signed for it, before the executor starts.
    Presigned(String),
}

/// What Pods mount of a shared volume.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum VolumeMount {
    /// A ReadWriteMany claim in the build namespace.
    Claim(String),
    /// A directory of the node; for a cluster of one machine.
    HostPath(PathBuf),
}

/// Where and how builds run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClusterSettings {
    /// Namespace of the build Pods, and of every Secret that a spec may name.
    pub namespace: String,
    /// Image of the Kaniko executor.
    pub executor_image: String,
    /// Pods, or Jobs.
    pub launcher: LauncherKind,
    /// How many of our Pods may be unfinished at once.
    pub max_builds: u32,
    /// The operator's Pod template, a file that is merged over every Pod.
    pub pod_template: Option<PathBuf>,
}

/// Pods, or Jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum LauncherKind {
    /// A bare Pod.
    Pod,
    /// A Job with one Pod.
    Job,
}

impl LauncherKind {
    /// What it launches.
    pub fn launched(self) -> LaunchedKind {
        match self {
            Self::Pod => LaunchedKind::Pod,
            Self::Job => LaunchedKind::Job,
        }
    }
}
