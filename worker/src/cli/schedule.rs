//! `kiln schedule`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use temporalio_client::schedules::ScheduleOverlapPolicy;

use crate::output::OutputFormat;

/// The commands on schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Creates a schedule that builds an app.
    Create(CreateArgs),
    /// Lists the schedules of builds, with their next and last runs.
    List(ListArgs),
    /// Shows a schedule and its latest runs.
    Describe(DescribeArgs),
    /// Starts a run now.
    Trigger(TriggerArgs),
    /// Pauses a schedule.
    Pause(PauseArgs),
    /// Resumes a paused schedule.
    Unpause(PauseArgs),
    /// Starts the runs of a past period.
    Backfill(BackfillArgs),
    /// Deletes a schedule. Running builds continue.
    Delete(DeleteArgs),
}

/// `kiln schedule create`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["cron", "every"]))]
pub(crate) struct CreateArgs {
    /// Name of the schedule.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// The spec in YAML or JSON: a file, or `-` for standard input.
    pub(crate) spec: PathBuf,
    /// When to build, in cron syntax: `0 2 * * *` is every night at 02:00. May be repeated.
    #[arg(long, value_name = "CRON")]
    pub(crate) cron: Vec<String>,
    /// Time between two builds.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) every: Option<Duration>,
    /// Time zone of the cron line, such as `Europe/Berlin`. Default: UTC.
    #[arg(long, value_name = "NAME", requires = "cron")]
    pub(crate) time_zone: Option<String>,
    /// Delay each build by a random time, up to this maximum.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) jitter: Option<Duration>,
    /// What to do if the previous run is still building.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) overlap: Overlap,
    /// How late a run may start that was missed while Temporal was down. Default: one year.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) catch_up: Option<Duration>,
    /// Pause the schedule when a build fails.
    #[arg(long)]
    pub(crate) pause_on_failure: bool,
    /// Build only if something changed: sets `onlyIf: changed`. Overrides the spec.
    #[arg(long)]
    pub(crate) only_if_changed: bool,
    /// Version of the app. Overrides the spec. `auto` gives each build a new version.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Replace an existing schedule of this name. A paused schedule stays paused.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// What to do if the previous run is still building. The numbers are Temporal's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Overlap {
    /// Skip the run.
    #[default]
    Skip = 1,
    /// Let one run wait and skip the others.
    BufferOne = 2,
    /// Let every run wait.
    BufferAll = 3,
    /// Cancel the previous run.
    CancelOther = 4,
    /// Terminate the previous run.
    TerminateOther = 5,
    /// Run both.
    AllowAll = 6,
}

impl From<Overlap> for ScheduleOverlapPolicy {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Skip => Self::Skip,
            Overlap::BufferOne => Self::BufferOne,
            Overlap::BufferAll => Self::BufferAll,
            Overlap::CancelOther => Self::CancelOther,
            Overlap::TerminateOther => Self::TerminateOther,
            Overlap::AllowAll => Self::AllowAll,
        }
    }
}

/// `kiln schedule list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
}

/// `kiln schedule describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
}

/// `kiln schedule trigger`.
#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// What to do if the previous run is still building. Default: the policy of the schedule.
    #[arg(long, value_enum)]
    pub(crate) overlap: Option<Overlap>,
}

/// `kiln schedule pause` and `unpause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// The reason.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

/// `kiln schedule backfill`.
#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// Start of the period, such as `2026-01-31T02:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339)]
    pub(crate) from: std::time::SystemTime,
    /// End of the period.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339)]
    pub(crate) to: std::time::SystemTime,
    /// What to do if the previous run is still building.
    #[arg(long, value_enum, default_value_t = Overlap::BufferAll)]
    pub(crate) overlap: Overlap,
}

/// `kiln schedule delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Name of the schedule.
    pub(crate) name: String,
}
