//! `kiln package …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

/// `kiln package`.
#[derive(Debug, Args)]
pub(crate) struct PackageArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: PackageCommand,
}

/// What to do with a package.
#[derive(Debug, Subcommand)]
pub(crate) enum PackageCommand {
    /// Shows what is in a package.
    Inspect(InspectArgs),
    /// Checks that everything of a package is there, and is what it should be.
    Verify(VerifyArgs),
    /// Writes a package into one file, to be carried.
    Export(ExportArgs),
    /// Sends what `export` wrote to a registry.
    Import(ImportArgs),
    /// Renders a package's files again, for the place where the package is.
    Render(RenderArgs),
}

/// `kiln package inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
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
    /// The file to write. One that is there is replaced once the new one is whole.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Form of the file.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ExportFormat,
    /// Leave out provenance and signatures, for tools that take a layout with one entry alone.
    #[arg(long)]
    pub(crate) no_referrers: bool,
    /// The package.
    #[command(flatten)]
    pub(crate) package: Ref,
}

/// Form of an exported package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A tar of an OCI image layout, with everything in it.
    #[default]
    Oci,
    /// A zip as SREWorks imports it. It names the images; they stay in their registry.
    Sreworks,
}

/// `kiln package import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file.
    pub(crate) file: PathBuf,
    /// Where the package goes, `registry/prefix`: it gets its own name and tag below.
    pub(crate) prefix: String,
    /// Put it there even if the tag has another package.
    #[arg(long)]
    pub(crate) force: bool,
    /// How the registry is reached.
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// `kiln package render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Write files into this directory; else everything is printed.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Which image of several platforms, as `linux/arm64`. Default: all of them, by their index.
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
    /// How the registry is reached.
    #[command(flatten)]
    pub(crate) registry: RegistryFlags,
}

/// How a registry is reached. Credentials are Docker's: `$DOCKER_CONFIG/config.json`, else
/// `~/.docker/config.json`, and its credential helpers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct RegistryFlags {
    /// Speak plain http. With localhost that is done in any case, unless `--ca` is given.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Authority of the registry's certificate, PEM, beside those that this machine trusts.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}
