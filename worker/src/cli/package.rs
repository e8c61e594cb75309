//! `kiln package …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::output::OutputFormat;

/// The commands on a package.
#[derive(Debug, Subcommand)]
pub(crate) enum PackageCommand {
    /// Shows the content of a package.
    Inspect(InspectArgs),
    /// Checks that a package is complete and intact.
    Verify(VerifyArgs),
    /// Writes a package to one file, for transport.
    Export(ExportArgs),
    /// Pushes a file that `export` wrote to a registry.
    Import(ImportArgs),
    /// Renders the files of a package again, for the registry that the package is in.
    Render(RenderArgs),
}

/// `kiln package inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
    /// The package.
    #[command(flatten)]
    pub(crate) package: Ref,
}

/// `kiln package verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Read every blob and check its digest.
    #[arg(long)]
    pub(crate) deep: bool,
    /// The package.
    #[command(flatten)]
    pub(crate) package: Ref,
}

/// `kiln package export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to write. An existing file is replaced once the new file is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Format of the file.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportFormat,
    /// Leave out provenance and signatures, for tools that accept only layouts with one entry.
    #[arg(long)]
    pub(crate) no_referrers: bool,
    /// The package.
    #[command(flatten)]
    pub(crate) package: Ref,
}

/// Format of an exported package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A tar archive of an OCI image layout, complete.
    #[default]
    Oci,
    /// A zip archive that SREWorks imports. It references the images, which stay in their registry.
    Sreworks,
}

/// `kiln package import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file.
    pub(crate) file: PathBuf,
    /// Where to push the package, `registry/prefix`. The name and tag of the package are appended.
    pub(crate) prefix: String,
    /// Push even if the tag belongs to another package.
    #[arg(long)]
    pub(crate) force: bool,
    /// How to reach the registry.
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// `kiln package render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Write files to this directory. Default: print everything.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Replace existing files.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// The image of this platform, such as `linux/arm64`. Default: all platforms, by their index.
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// The package.
    #[command(flatten)]
    pub(crate) package: Ref,
}

/// A package in a registry.
#[derive(Debug, Args)]
pub(crate) struct Ref {
    /// `host/name:tag` or `host/name@sha256:…`.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// How to reach the registry.
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// How to reach a registry. Credentials come from Docker's configuration,
/// `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, and its credential helpers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct RegistryFlags {
    /// Use plain HTTP. For localhost this is the default, unless `--ca` is given.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Additional certificate authority of the registry, in PEM format.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}
