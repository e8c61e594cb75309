//! What was typed. Nothing is decided here: values stay text until [`crate::settings`] lowers
//! them, so that one message can name every fault of flags, environment and file alike.

mod decide;
mod flags;
mod looking;
mod package;
mod schedule;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use decide::{ApproveArgs, ExtendArgs, HoldArgs, RetryArgs};
pub(crate) use flags::{CommonFlags, InstallationFlags, SweepingFlags};
pub(crate) use looking::{CompletionsArgs, Kind, LsArgs, OpenArgs, StatusArgs};
pub(crate) use package::{
    ExportArgs, ExportFormat, ImportArgs, InspectArgs, PackageArgs, PackageCommand, Ref,
    RegistryFlags, RenderArgs, VerifyArgs,
};
pub(crate) use schedule::{
    BackfillArgs, CreateArgs, DeleteArgs, DescribeArgs, ListArgs, Overlap, PauseArgs, ScheduleArgs,
    ScheduleCommand, TriggerArgs,
};

/// Builds the container images of an application in a Kubernetes cluster, durably.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Settings that every command has.
    #[command(flatten)]
    pub(crate) common: CommonFlags,
}

const AFTER_HELP: &str = "\
The engine is found as by every Temporal tool: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
TEMPORAL_API_KEY, TEMPORAL_TLS_*, or a profile of `temporal.toml`.

Exit codes:
    0  what was asked for is done; of `build` and `status`: the build succeeded, or still runs
    1  the build failed, or the command did
    2  wrong input: command line, settings, spec, or an id that no build has
    3  the build was cancelled
    4  the engine cannot be reached, or refuses
  130  left by Ctrl-C; the build goes on";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a worker, which does the builds.
    Worker(WorkerArgs),
    /// Makes the Temporal namespace, the search attributes and the schedule of sweeps ready; may be
    /// run again.
    Setup(SetupArgs),
    /// Builds an app and waits for its images.
    Build(BuildArgs),
    /// Shows what would be built, without a server.
    Plan(PlanArgs),
    /// Writes a spec out of what another tool builds from.
    Convert(ConvertArgs),
    /// Prints the JSON Schema of a document.
    Schema(SchemaArgs),
    /// Lists the builds that run, and those that ran lately.
    Ls(LsArgs),
    /// Shows where a build stands, or how it ended.
    Status(StatusArgs),
    /// Prints the address of a build's page in the Temporal UI.
    Open(OpenArgs),
    /// Prints the logs of a build: before, while and after it runs.
    Logs(LogsArgs),
    /// Cancels a build, or one of its containers.
    Cancel(CancelArgs),
    /// Builds a failed container of a running build once more.
    Retry(RetryArgs),
    /// Holds back what a running build has not launched yet.
    Pause(HoldArgs),
    /// Lets a build go on that was paused.
    Resume(HoldArgs),
    /// Gives a running container more time.
    Extend(ExtendArgs),
    /// Consents to the delivery of a build that waits for approval.
    Approve(ApproveArgs),
    /// Shows, checks, carries and renders a delivery package. Needs no server.
    Package(PackageArgs),
    /// Keeps schedules by which the engine starts builds.
    Schedule(ScheduleArgs),
    /// Removes what builds left behind: Pods of terminated builds, old contexts and logs.
    Sweep(SweepArgs),
    /// Prints the completions of a shell.
    Completions(CompletionsArgs),
    /// Fetches the context of a build, in its Pod. It is not for people.
    #[command(hide = true)]
    FetchContext(FetchContextArgs),
}

/// `kiln worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Serve only these task queues.
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
    /// Workflows and light steps.
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
    /// How long a new namespace keeps finished builds.
    #[arg(long, value_name = "TIME", default_value = "30days", value_parser = humantime::parse_duration)]
    pub(crate) retention: std::time::Duration,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// What the schedule of the sweeps is made of.
    #[command(flatten)]
    pub(crate) sweeping: SweepingFlags,
}

/// `kiln build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The spec, YAML or JSON: a file, or `-` for standard input.
    pub(crate) spec: PathBuf,
    /// Id of the build. Default: `<app>-<version>`, or `<app>-` and eight random characters.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) id: Option<String>,
    /// Version of the app, in place of the spec's.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Build every image anew, whatever was built before.
    #[arg(long)]
    pub(crate) no_reuse: bool,
    /// Show the build until it ends. This is the default; Ctrl-C asks whether to leave it running
    /// or to cancel it, and leaves it running where nobody can be asked.
    #[arg(long, conflicts_with = "detach")]
    pub(crate) follow: bool,
    /// Start the build, print its id, and leave.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `kiln plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The spec, YAML or JSON: a file, or `-` for standard input.
    pub(crate) spec: PathBuf,
    /// Version of the app, in place of the spec's.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Show something else than the table.
    #[arg(long, value_enum)]
    pub(crate) show: Option<Show>,
    /// Form of the plan.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Settings of the installation; used by `--show pods`.
    #[command(flatten)]
    pub(crate) installation: InstallationFlags,
}

/// What `kiln plan` can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    /// The manifests of the build Pods or Jobs.
    Pods,
}

/// `kiln convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// What the file is of.
    #[arg(value_enum)]
    pub(crate) from: ConvertFrom,
    /// The file, or `-` for standard input.
    pub(crate) file: PathBuf,
    /// Name of the app.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,
    /// File of the values of `${NAME}`, in lines `NAME=value`; of several files the last one wins.
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Vec<PathBuf>,
    /// Take values that no file has from the environment.
    #[arg(long)]
    pub(crate) env: bool,
    /// Secret with which images are pushed whose container names none.
    #[arg(long, value_name = "NAME")]
    pub(crate) push_secret: Option<String>,
    /// Kubernetes namespace of the Secrets, in the commands that make them.
    #[arg(long, value_name = "NAME", env = "KILN_NAMESPACE", default_value = "kiln-builds")]
    pub(crate) namespace: String,
    /// Write the spec into this file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What can be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConvertFrom {
    /// A build.yaml of SREWorks.
    Sreworks,
}

/// `kiln schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which document.
    #[arg(value_enum, default_value_t)]
    pub(crate) document: Schema,
    /// Form of the schema.
    #[arg(short, long, value_parser = ["json", "yaml"], default_value = "json")]
    pub(crate) output: String,
}

/// A document of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schema {
    /// The input of `BuildApp`: what a user writes.
    #[default]
    App,
    /// The input of `BuildComponent`.
    Component,
    /// The input of `BuildContainer`.
    Container,
    /// The result of all three.
    Output,
    /// The record in a delivery package.
    Record,
    /// The answer of the query `progress`.
    Progress,
    /// The details of a failed workflow.
    Failure,
    /// The answer of the query `plan`.
    Plan,
    /// The payload of the updates `pause` and `resume`.
    Pause,
    /// The payload of the update `cancel_container`.
    CancelContainer,
    /// The payload of the update `retry_container`.
    RetryContainer,
    /// The payload of the update `extend`.
    Extend,
    /// The payload of the update `approve`.
    Approve,
}

/// `kiln logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Id of the build of an app, a component or a container.
    pub(crate) id: String,
    /// Only this container: `component/container`, or its name where no other has it.
    pub(crate) container: Option<String>,
    /// Only of this platform, where an image has several: `linux/arm64`. Default: all of them.
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// Go on until the build has ended.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Which Pod of a container, counted from 1. Default: the last one.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) attempt: Option<u32>,
    /// Begin each line with its time.
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Settings of the installation: where the store and the Pods are.
    #[command(flatten)]
    pub(crate) installation: InstallationFlags,
}

/// `kiln cancel`.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Only this container: `component/container`, or its name where no other has it. One that has
    /// failed and waits for a decision is given up.
    #[arg(conflicts_with = "wait")]
    pub(crate) container: Option<String>,
    /// Wait until it has ended and what it made is cleaned up.
    #[arg(long)]
    pub(crate) wait: bool,
}

/// `kiln sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Only say what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Form of the report.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `kiln fetch-context`.
#[derive(Debug, Args)]
pub(crate) struct FetchContextArgs {
    /// File with the address, which is no argument, so that no list of processes shows it.
    #[arg(long, value_name = "FILE")]
    pub(crate) url_file: PathBuf,
    /// SHA-256 of the packed context, in hexadecimal digits.
    #[arg(long, value_name = "DIGEST")]
    pub(crate) sha256: String,
    /// Directory that the context becomes; what is there is removed.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
}

/// Form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs, and for people who want all of it.
    Yaml,
}

impl Command {
    /// The settings that were typed for this command alone.
    pub(crate) fn installation(&self) -> Option<&InstallationFlags> {
        match self {
            Self::Worker(args) => Some(&args.installation),
            Self::Plan(args) => Some(&args.installation),
            Self::Logs(args) => Some(&args.installation),
            _ => None,
        }
    }

    /// Those of `kiln setup`, which needs few.
    pub(crate) fn sweeping(&self) -> Option<&SweepingFlags> {
        match self {
            Self::Setup(args) => Some(&args.sweeping),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_of_every_command() {
        // The environment of whoever runs this must not show.
        let cli = Cli::command().mut_args(|arg| arg.hide_env_values(true));
        insta::assert_snapshot!("help", cli.clone().render_long_help());
        let mut cli = cli;
        cli.build();
        cli.get_subcommands_mut().for_each(|command| help("help", command));
    }

    /// Whatever a page shows is understood, as far as that can be said without a server.
    #[test]
    fn the_documents_commands_are_ours() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let pages = std::fs::read_dir(root.join("docs")).expect("the documents");
        let pages = pages.map(|page| page.expect("a page").path()).chain([root.join("README.md")]);
        let mut checked = 0;
        for page in pages.filter(|page| page.extension().is_some_and(|end| end == "md")) {
            let text = std::fs::read_to_string(&page).expect("a page");
            let code = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
            let lines = code.flat_map(str::lines).filter(|line| line.starts_with("kiln "));
            for line in lines.filter(|line| !line.ends_with('\\')) {
                let command = line.split(['|', '>', '<']).next().unwrap_or_default();
                let words = shlex::split(command).unwrap_or_else(|| panic!("words: {line}"));
                let parsed = Cli::try_parse_from(words);
                parsed.unwrap_or_else(|error| panic!("{}: {line}\n{error}", page.display()));
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked}");
    }

    fn help(above: &str, command: &mut Command) {
        let name = format!("{above}_{}", command.get_name());
        if command.get_name() == "help" {
            return;
        }
        let mut shown = command.clone().mut_args(|arg| arg.hide_env_values(true));
        insta::assert_snapshot!(name.clone(), shown.render_long_help());
        command.get_subcommands_mut().for_each(|command| help(&name, command));
    }
}
