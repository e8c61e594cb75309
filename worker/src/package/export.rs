//! `kiln package export`: writes a package to one file.

use std::path::Path;

use kilnworks_activities::package::{archive::write, read::Package, whole};

use super::{bar, reach, sreworks};
use crate::{
    cli::{ExportArgs, ExportFormat},
    output::{Error, Exit, units},
};

/// Writes a package to a file. An existing file stays until the new file is complete.
pub(crate) async fn export(args: ExportArgs) -> Result<Exit, Error> {
    let file = &args.output;
    check(file)?;
    let package = reach::open(&args.package).await?;
    let report = match args.format {
        ExportFormat::Oci => oci(&package, file, !args.no_referrers).await,
        ExportFormat::Sreworks => sreworks::export(&package, file),
    };
    let report = report.map_err(|error| reach::explain(error, &args.package.reference))?;
    eprintln!("{}: {report}", file.display());
    Ok(Exit::Success)
}

/// Checks the path before the package is read.
fn check(file: &Path) -> Result<(), Error> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if file.is_dir() {
        return Err(Error::input("the path is a directory").at(file.display().to_string()));
    }
    match directory.filter(|directory| !directory.is_dir()) {
        None => Ok(()),
        Some(missing) => {
            Err(Error::input("the directory does not exist").at(missing.display().to_string()))
        }
    }
}

async fn oci(package: &Package, file: &Path, referrers: bool) -> anyhow::Result<String> {
    let repository = &package.repository;
    let whole = whole::in_repository(repository, package.manifest.clone(), referrers).await?;
    let whole = whole.sound()?;
    let bar = bar::bar("exporting", Some(write::length(&whole)));
    write::write(&whole, repository, file, |bytes| bar.inc(bytes.len() as u64)).await?;
    drop(bar);
    let size = std::fs::metadata(file).map_or(0, |file| file.len());
    Ok(format!(
        "{}: {} manifests, {} blobs, {} referrers",
        units::bytes(size),
        whole.manifests.len() + 1,
        whole.blobs.len(),
        whole.referrers.len()
    ))
}
