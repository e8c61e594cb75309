//! `kiln schedule`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use temporalio_client::schedules::ScheduleOverlapPolicy;

use super::Output;

/// `kiln schedule`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: ScheduleCommand,
}

/// What to do with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Makes a schedule that builds an app.
    Create(CreateArgs),
    /// Lists the schedules of builds, with their next and last runs.
    List(ListArgs),
    /// Shows a schedule and its latest runs.
    Describe(DescribeArgs),
    /// Starts a run now.
    Trigger(TriggerArgs),
    /// Lets a schedule start nothing more by itself.
    Pause(PauseArgs),
    /// Lets a paused schedule go on.
    Unpause(PauseArgs),
    /// Starts the runs of a time that is over.
    Backfill(BackfillArgs),
    /// Deletes a schedule; builds that run go on.
    Delete(DeleteArgs),
}

/// `kiln schedule create`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["cron", "every"]))]
pub(crate) struct CreateArgs {
    /// Name of the schedule.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// The spec, YAML or JSON: a file, or `-` for standard input.
    pub(crate) spec: PathBuf,
    /// When to build, as cron has it: `0 2 * * *` is each night at two. May be given again.
    #[arg(long, value_name = "CRON")]
    pub(crate) cron: Vec<String>,
    /// Time between two builds.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) every: Option<Duration>,
    /// Time zone of the cron line, as `Europe/Berlin`. Default: UTC.
    #[arg(long, value_name = "NAME", requires = "cron")]
    pub(crate) time_zone: Option<String>,
    /// Start each build up to so much later, at random.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) jitter: Option<Duration>,
    /// What becomes of a run whose time comes while the one before it still builds.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) overlap: Overlap,
    /// How late a run may start that was missed while the engine was down. Default: a year.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) catch_up: Option<Duration>,
    /// Pause the schedule when a build fails.
    #[arg(long)]
    pub(crate) pause_on_failure: bool,
    /// Build only where something changed: `onlyIf: changed`, whatever the spec says.
    #[arg(long)]
    pub(crate) only_if_changed: bool,
    /// Version of the app, in place of the spec's; `auto` gives each build a new one.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Replace a schedule of this name. A paused one stays paused.
    #[arg(long)]
    pub(crate) replace: bool,
}

/// What becomes of a run whose time comes while the one before it still builds. The numbers are the
/// engine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Overlap {
    /// It is left out.
    #[default]
    Skip = 1,
    /// One run waits; more are left out.
    BufferOne = 2,
    /// Every run waits.
    BufferAll = 3,
    /// The one before is cancelled.
    CancelOther = 4,
    /// The one before is terminated.
    TerminateOther = 5,
    /// Both build.
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
    /// Form of the list.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `kiln schedule describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `kiln schedule trigger`.
#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// What becomes of it where a build of the schedule runs already. Default: as for every run.
    #[arg(long, value_enum)]
    pub(crate) overlap: Option<Overlap>,
}

/// `kiln schedule pause` and `unpause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

/// `kiln schedule backfill`.
#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// Name of the schedule.
    pub(crate) name: String,
    /// Beginning of the time, as `2026-01-31T02:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339)]
    pub(crate) from: std::time::SystemTime,
    /// Its end.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339)]
    pub(crate) to: std::time::SystemTime,
    /// What becomes of a run while the one before it still builds.
    #[arg(long, value_enum, default_value_t = Overlap::BufferAll)]
    pub(crate) overlap: Overlap,
}

/// `kiln schedule delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Name of the schedule.
    pub(crate) name: String,
}
