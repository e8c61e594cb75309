//! The commands about documents: `kiln convert` and `kiln schema`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `kiln convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The tool that the file belongs to.
    #[arg(value_enum)]
    pub(crate) from: ConvertFrom,
    /// The file, or `-` for standard input.
    pub(crate) file: PathBuf,
    /// Name of the app.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,
    /// File with values for `${NAME}`, one `NAME=value` per line. If a name is in several files, the
    /// last file wins.
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Vec<PathBuf>,
    /// Take values from the environment if no file has them.
    #[arg(long)]
    pub(crate) env: bool,
    /// Push Secret for containers that name none.
    #[arg(long, value_name = "NAME")]
    pub(crate) push_secret: Option<String>,
    /// Kubernetes namespace of the Secrets, for the printed `kubectl` commands.
    #[arg(long, value_name = "NAME", env = "KILN_NAMESPACE", default_value = "kiln-builds")]
    pub(crate) namespace: String,
    /// Write the spec to this file. Default: standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// The tools whose files can be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConvertFrom {
    /// The `build.yaml` of SREWorks.
    Sreworks,
}

/// `kiln schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The document.
    #[arg(value_enum, default_value_t)]
    pub(crate) document: Schema,
    /// Output format.
    #[arg(short, long, value_parser = ["json", "yaml"], default_value = "json")]
    pub(crate) output: String,
}

/// A document of the public contract.
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
    /// The result of the query `progress`.
    Progress,
    /// The details of a failed workflow.
    Failure,
    /// The result of the query `plan`.
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
