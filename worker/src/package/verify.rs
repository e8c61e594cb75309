//! `kiln package verify`: checks that a package is complete and intact.

use kilnworks_activities::package::verify::{self, Verified};
use kilnworks_workflows::names;

use super::{bar, reach};
use crate::{
    cli::VerifyArgs,
    output::{Error, Exit, stdout, table, units},
};

/// Checks a package. An error lists every fault.
pub(crate) async fn verify(args: VerifyArgs) -> Result<Exit, Error> {
    let reference = &args.package.reference;
    let (repository, package) = reach::manifest(&args.package).await?;
    let bar = bar::bar("checking", None);
    let verified = verify::verify(&repository, &package, args.deep, |bytes| bar.inc(bytes)).await;
    drop(bar);
    let verified = verified.map_err(|error| reach::explain(error, reference))?;
    let count = verified.faults.len();
    if count > 0 {
        let faults: Vec<_> = verified.faults.iter().map(|fault| format!("\n  {fault}")).collect();
        let what = format!("{count} fault{}{}", if count == 1 { "" } else { "s" }, faults.concat());
        return Err(Error::new(Exit::Failed, what).at(reference));
    }
    let at = names::reference(repository.name(), &package.digest);
    stdout::print(&checked(&verified, &at, args.deep))?;
    Ok(Exit::Success)
}

/// The report of a valid package.
fn checked(verified: &Verified, at: &str, deep: bool) -> String {
    let how = if deep { "digests verified" } else { "exist, sizes verified" };
    let record = &verified.record;
    let rows = [
        ("package", at.to_owned()),
        ("manifests", format!("{}: digests verified", verified.manifests)),
        ("blobs", format!("{}, {}: {how}", verified.blobs, units::bytes(verified.bytes))),
        (
            "record",
            format!(
                "{} images, {} files, {} charts: all in the package",
                record.images, record.files, record.charts
            ),
        ),
        ("referrers", verified.referrers.to_string()),
    ];
    table::plain(rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}
