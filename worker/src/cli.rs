//! The command line: what was typed, as text.

mod build;
mod command;
mod completions;
mod convert;
mod decide;
mod flags;
pub(crate) mod input;
mod look;
mod package;
mod schedule;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    build::{BuildArgs, CancelArgs, LogsArgs, PlanArgs, Show},
    command::{Cli, Command},
    completions::completions,
    convert::{ConvertArgs, ConvertFrom, SchemaArgs},
    decide::{ApproveArgs, ExtendArgs, HoldArgs, RetryArgs},
    flags::{CommonFlags, InstallationFlags},
    look::{CompletionsArgs, Kind, LsArgs, OpenArgs, StatusArgs},
    package::{
        ExportArgs, ExportFormat, ImportArgs, InspectArgs, PackageCommand, Ref, RegistryFlags,
        RenderArgs, VerifyArgs,
    },
    schedule::{
        BackfillArgs, CreateArgs, DeleteArgs, DescribeArgs, ListArgs, Overlap, PauseArgs,
        ScheduleCommand, TriggerArgs,
    },
    worker::{FetchContextArgs, Queue, SetupArgs, SweepArgs, WorkerArgs},
};
