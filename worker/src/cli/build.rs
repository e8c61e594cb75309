//! The commands of one build: `kiln build`, `plan`, `logs` and `cancel`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::flags::InstallationFlags;
use crate::output::OutputFormat;

/// `kiln build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The spec in YAML or JSON: a file, or `-` for standard input.
    pub(crate) spec: PathBuf,
    /// Id of the build. Default: `<app>-<version>`, or `<app>-` and eight random characters if the
    /// spec has no version.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) id: Option<String>,
    /// Version of the app. Overrides the spec.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Build every image, even if it exists already.
    #[arg(long)]
    pub(crate) no_reuse: bool,
    /// Show the build until it ends. This is the default. Ctrl-C asks whether to detach or to
    /// cancel. Without a terminal, Ctrl-C detaches and the build continues.
    #[arg(long, conflicts_with = "detach")]
    pub(crate) follow: bool,
    /// Start the build, print its id and exit.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
}

/// `kiln plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The spec in YAML or JSON: a file, or `-` for standard input.
    pub(crate) spec: PathBuf,
    /// Version of the app. Overrides the spec.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Show something other than the table.
    #[arg(long, value_enum)]
    pub(crate) show: Option<Show>,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
    /// Settings of the installation, for `--show pods`.
    #[command(flatten)]
    pub(crate) installation: InstallationFlags,
}

/// What `kiln plan` can show instead of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// The manifests of the build Pods or Jobs.
    Pods,
}

/// `kiln logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Id of a build: of an app, a component or a container.
    pub(crate) id: String,
    /// Only this container: `component/container`, or its name if the name is unique.
    pub(crate) container: Option<String>,
    /// Only this platform of a multi-platform image, such as `linux/arm64`. Default: all platforms.
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// Follow the log until the build has ended.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Number of the attempt, from 1. Each attempt is one Pod. Default: the last attempt.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) attempt: Option<u32>,
    /// Prefix each line with its timestamp.
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Settings of the installation: the store and the cluster.
    #[command(flatten)]
    pub(crate) installation: InstallationFlags,
}

/// `kiln cancel`.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Only this container: `component/container`, or its name if the name is unique. A failed
    /// container that waits for a decision then counts as failed.
    #[arg(conflicts_with = "wait")]
    pub(crate) container: Option<String>,
    /// Wait until the build has ended and has cleaned up.
    #[arg(long)]
    pub(crate) wait: bool,
}
