//! The commands of an operator: `kiln worker`, `setup`, `sweep` and `fetch-context`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::flags::{InstallationFlags, SweepingFlags};
use crate::output::OutputFormat;

/// `kiln worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Poll only these task queues.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_values = ["main", "source", "launch", "await"]
    )]
    pub(crate) queues: Vec<Queue>,
    /// Settings of the installation.
    #[command(flatten)]
    pub(crate) installation: InstallationFlags,
}

/// One of the four task queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Queue {
    /// Workflows and short steps.
    Main,
    /// Fetch, render, upload.
    Source,
    /// Launch.
    Launch,
    /// Await.
    Await,
}

/// `kiln setup`.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// How long a new namespace keeps the history of finished builds.
    #[arg(long, value_name = "TIME", default_value = "30days", value_parser = humantime::parse_duration)]
    pub(crate) retention: Duration,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
    /// Settings of the sweep schedule.
    #[command(flatten)]
    pub(crate) sweeping: SweepingFlags,
}

/// `kiln sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Only report what would be deleted.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
}

/// `kiln fetch-context`.
#[derive(Debug, Args)]
pub(crate) struct FetchContextArgs {
    /// File that contains the URL. The URL is a credential, so it must not appear in a process list.
    #[arg(long, value_name = "FILE")]
    pub(crate) url_file: PathBuf,
    /// SHA-256 of the packed context, in hexadecimal digits.
    #[arg(long, value_name = "DIGEST")]
    pub(crate) sha256: String,
    /// Directory to unpack the context into. Its present content is deleted.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
}
