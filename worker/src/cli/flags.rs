//! Settings as flags and environment variables. The settings file has the same names.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

/// Settings that every command has.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Settings")]
pub(crate) struct CommonFlags {
    /// YAML file with settings. Each key is the name of a flag.
    #[arg(long, global = true, value_name = "FILE", env = "KILN_CONFIG")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Task queue of the workflows, and prefix of the other three queues. Default: kiln.
    #[arg(long, global = true, value_name = "NAME", env = "KILN_TASK_QUEUE")]
    pub(crate) task_queue: Option<String>,
    /// URL of the Temporal UI, for links.
    #[arg(long, global = true, value_name = "URL", env = "KILN_TEMPORAL_UI")]
    pub(crate) temporal_ui: Option<String>,
    /// Log filter in the syntax of `tracing`. Default: info for a worker, otherwise error.
    #[arg(long, global = true, value_name = "FILTER", env = "KILN_LOG")]
    pub(crate) log: Option<String>,
    /// Log format: text or json. Default: text.
    #[arg(long, global = true, value_name = "FORM", env = "KILN_LOG_FORMAT")]
    pub(crate) log_format: Option<String>,
}

/// Settings of an installation.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Settings of the installation")]
pub(crate) struct InstallationFlags {
    /// Name of the installation. It labels the installation's Pods. Default: kiln.
    #[arg(long, value_name = "NAME", env = "KILN_INSTALL")]
    pub(crate) install: Option<String>,
    /// Kubernetes namespace of build Pods and Secrets. Default: kiln-builds.
    #[arg(long, value_name = "NAME", env = "KILN_NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Store of contexts and logs: s3 or volume. Default: s3.
    #[arg(long, value_name = "KIND", env = "KILN_STORE")]
    pub(crate) store: Option<String>,
    /// Bucket of the store.
    #[arg(long, value_name = "NAME", env = "KILN_S3_BUCKET")]
    pub(crate) s3_bucket: Option<String>,
    /// URL of an S3 server other than Amazon's.
    #[arg(long, value_name = "URL", env = "KILN_S3_ENDPOINT")]
    pub(crate) s3_endpoint: Option<String>,
    /// Secret with read-only credentials for the executor. Default: the identity of the Pod.
    #[arg(long, value_name = "NAME", env = "KILN_S3_SECRET")]
    pub(crate) s3_secret: Option<String>,
    /// How an executor gets its context: direct or presigned. With direct, the executor reads the
    /// bucket. With presigned, an init container fetches the context by a signed URL, and no build
    /// sees credentials of the store. Default: direct.
    #[arg(long, value_name = "WAY", env = "KILN_CONTEXT_DELIVERY")]
    pub(crate) context_delivery: Option<String>,
    /// Image of kiln for that init container.
    #[arg(long, value_name = "IMAGE", env = "KILN_FETCH_IMAGE")]
    pub(crate) fetch_image: Option<String>,
    /// Region of the bucket.
    #[arg(long, value_name = "NAME", env = "AWS_REGION")]
    pub(crate) aws_region: Option<String>,
    /// Directory where this worker mounts the shared volume.
    #[arg(long, value_name = "DIR", env = "KILN_VOLUME_DIR")]
    pub(crate) volume_dir: Option<String>,
    /// ReadWriteMany claim of the shared volume. Set either the claim or the host path.
    #[arg(long, value_name = "NAME", env = "KILN_VOLUME_CLAIM")]
    pub(crate) volume_claim: Option<String>,
    /// Directory on every node that is the shared volume. Set either the host path or the claim.
    #[arg(long, value_name = "DIR", env = "KILN_VOLUME_HOST_PATH")]
    pub(crate) volume_host_path: Option<String>,
    /// Image of the executor. Default: ghcr.io/osscontainertools/kaniko:v1.28.3.
    #[arg(long, value_name = "IMAGE", env = "KILN_EXECUTOR_IMAGE")]
    pub(crate) executor_image: Option<String>,
    /// Kind of object that runs the executor: pod or job. Default: pod.
    #[arg(long, value_name = "KIND", env = "KILN_LAUNCHER")]
    pub(crate) launcher: Option<String>,
    /// Maximum number of unfinished builds in the cluster. Default: 10.
    #[arg(long, value_name = "NUMBER", env = "KILN_MAX_BUILDS")]
    pub(crate) max_builds: Option<String>,
    /// Pod template that is merged over every build Pod.
    #[arg(long, value_name = "FILE", env = "KILN_POD_TEMPLATE")]
    pub(crate) pod_template: Option<String>,
    /// Directory of the Git mirrors. Default: kilnworks/mirrors in the user's cache.
    #[arg(long, value_name = "DIR", env = "KILN_CACHE_DIR")]
    pub(crate) cache_dir: Option<String>,
    /// Size of all mirrors above which the worker deletes the oldest. Default: 10GiB.
    #[arg(long, value_name = "SIZE", env = "KILN_CACHE_SIZE")]
    pub(crate) cache_size: Option<String>,
    /// Maximum stored size of the log of one Pod: half from its beginning, half from its end.
    /// Default: 64MiB.
    #[arg(long, value_name = "SIZE", env = "KILN_LOGS_MAX_BYTES")]
    pub(crate) logs_max_bytes: Option<String>,
    /// Time without a heartbeat after which a worker counts as dead. Default: 60s.
    #[arg(long, value_name = "TIME", env = "KILN_HEARTBEAT")]
    pub(crate) heartbeat: Option<String>,
    /// Maximum number of attempts per container. Each attempt is one Pod. Default: 3.
    #[arg(long, value_name = "NUMBER", env = "KILN_MAX_ATTEMPTS")]
    pub(crate) max_attempts: Option<String>,
    /// Time for running steps to end when the worker stops. It must be less than the grace period
    /// of its Pod. Default: 20s.
    #[arg(long, value_name = "TIME", env = "KILN_GRACE")]
    pub(crate) grace: Option<String>,
    /// Address on which the worker serves `/metrics`, `/healthz` and `/readyz`. Default: none.
    #[arg(long, value_name = "ADDRESS", env = "KILN_LISTEN")]
    pub(crate) listen: Option<String>,
    /// Temporal worker versioning: off, pinned or auto-upgrade. Default: off.
    #[arg(long, value_name = "KIND", env = "KILN_VERSIONING")]
    pub(crate) versioning: Option<String>,
    /// Build id of this worker if versioning is on. Default: the version of kiln.
    #[arg(long, value_name = "NAME", env = "KILN_BUILD_ID")]
    pub(crate) build_id: Option<String>,
    /// Retention of contexts, at least 60 days. Default: 60days.
    #[arg(long, value_name = "TIME", env = "KILN_KEEP_CONTEXTS")]
    pub(crate) keep_contexts: Option<String>,
    /// Retention of logs, at least 31 days. Default: 60days.
    #[arg(long, value_name = "TIME", env = "KILN_KEEP_LOGS")]
    pub(crate) keep_logs: Option<String>,
    /// Time between two sweeps, or never. A sweep deletes what builds left behind. Default: 1h.
    #[arg(long, value_name = "TIME", env = "KILN_SWEEP_EVERY")]
    pub(crate) sweep_every: Option<String>,
    /// Minimum age of a Pod or Job that a sweep deletes. Default: 10min.
    #[arg(long, value_name = "TIME", env = "KILN_SWEEP_AFTER")]
    pub(crate) sweep_after: Option<String>,
}

/// Settings of the sweep schedule.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Settings of the installation")]
pub(crate) struct SweepingFlags {
    /// Name of the installation. It names the sweep schedule. Default: kiln.
    #[arg(long, value_name = "NAME", env = "KILN_INSTALL")]
    pub(crate) install: Option<String>,
    /// Time between two sweeps, or never. A sweep deletes what builds left behind. Default: 1h.
    #[arg(long, value_name = "TIME", env = "KILN_SWEEP_EVERY")]
    pub(crate) sweep_every: Option<String>,
}
