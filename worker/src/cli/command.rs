//! The commands. Nothing is decided here: values stay text until [`crate::settings`] lowers them,
//! so that one message can list every fault of flags, environment and file.

use clap::{Parser, Subcommand};

use super::{
    build::{BuildArgs, CancelArgs, LogsArgs, PlanArgs},
    convert::{ConvertArgs, SchemaArgs},
    decide::{ApproveArgs, ExtendArgs, HoldArgs, RetryArgs},
    flags::{CommonFlags, InstallationFlags, SweepingFlags},
    look::{CompletionsArgs, LsArgs, OpenArgs, StatusArgs},
    package::PackageCommand,
    schedule::ScheduleCommand,
    worker::{FetchContextArgs, SetupArgs, SweepArgs, WorkerArgs},
};

/// Builds the container images of an application in a Kubernetes cluster. Builds survive restarts.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Settings that every command has.
    #[command(flatten)]
    pub(crate) common: CommonFlags,
}

const AFTER_HELP: &str = "\
kiln finds the Temporal server like every Temporal tool: by TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
TEMPORAL_API_KEY and TEMPORAL_TLS_*, or by a profile in `temporal.toml`.

Exit codes:
    0  success; for `build` and `status`: the build succeeded or is still running
    1  the build or the command failed
    2  invalid input: command line, settings, spec, or an unknown build id
    3  the build was cancelled
    4  the Temporal server cannot be reached, or refuses the call
  130  interrupted by Ctrl-C; the build continues";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a worker, which executes builds.
    Worker(WorkerArgs),
    /// Creates the Temporal namespace, the search attributes and the sweep schedule. It is safe to
    /// run again.
    Setup(SetupArgs),
    /// Builds an app and waits for its images.
    Build(BuildArgs),
    /// Shows what would be built. Needs no server.
    Plan(PlanArgs),
    /// Converts another tool's build file to a spec.
    Convert(ConvertArgs),
    /// Prints the JSON Schema of a document.
    Schema(SchemaArgs),
    /// Lists running and recent builds.
    Ls(LsArgs),
    /// Shows the progress or the result of a build.
    Status(StatusArgs),
    /// Prints the URL of a build in the Temporal UI.
    Open(OpenArgs),
    /// Prints the logs of a running or finished build.
    Logs(LogsArgs),
    /// Cancels a build or one of its containers.
    Cancel(CancelArgs),
    /// Retries a failed container of a running build.
    Retry(RetryArgs),
    /// Pauses a running build: containers that have not started yet wait.
    Pause(HoldArgs),
    /// Resumes a paused build.
    Resume(HoldArgs),
    /// Gives a running container more time.
    Extend(ExtendArgs),
    /// Approves or rejects the delivery of a build that waits for approval.
    Approve(ApproveArgs),
    /// Inspects, verifies, exports, imports and renders delivery packages. Needs no server.
    #[command(subcommand)]
    Package(PackageCommand),
    /// Manages schedules that start builds.
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Deletes what builds left behind: Pods of terminated builds, old contexts and logs.
    Sweep(SweepArgs),
    /// Prints the completion script of a shell.
    Completions(CompletionsArgs),
    /// Fetches the context of a build inside its Pod. Kilnworks runs this command itself.
    #[command(hide = true)]
    FetchContext(FetchContextArgs),
}

impl Command {
    /// The settings flags of the commands that need an installation.
    pub(crate) fn installation(&self) -> Option<&InstallationFlags> {
        match self {
            Self::Worker(args) => Some(&args.installation),
            Self::Plan(args) => Some(&args.installation),
            Self::Logs(args) => Some(&args.installation),
            _ => None,
        }
    }

    /// The settings flags of `kiln setup`, which needs only a few.
    pub(crate) fn sweeping(&self) -> Option<&SweepingFlags> {
        match self {
            Self::Setup(args) => Some(&args.sweeping),
            _ => None,
        }
    }
}
