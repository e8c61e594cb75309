//! `kiln package verify`: is everything there, and right?

use kilnworks_activities::package::verify::{self, Verified};
use kilnworks_workflows::names;

use super::{bar, reach};
use crate::{
    cli::VerifyArgs,
    end::{Error, Exit},
    table, units,
};

/// Checks a package, and says every fault.
pub(crate) async fn verify(args: VerifyArgs) -> Result<Exit, Error> {
    let reference = &args.package.reference;
    let (repository, package) = reach::manifest(&args.package).await?;
    let bar = bar::bar("checking", None);
    let verified = verify::verify(&repository, &package, args.deep, |bytes| bar.add(bytes)).await;
    drop(bar);
    let verified = verified.map_err(|error| reach::explain(error, reference))?;
    let count = verified.faults.len();
    if count > 0 {
        let faults: Vec<_> = verified.faults.iter().map(|fault| format!("\n  {fault}")).collect();
        let what = format!("{count} fault{}{}", if count == 1 { "" } else { "s" }, faults.concat());
        return Err(Error::new(Exit::Failed, what).at(reference));
    }
    let at = names::reference(repository.name(), &package.digest);
    table::print(&checked(&verified, &at, args.deep))?;
    Ok(Exit::Success)
}

/// What was checked, and is well.
fn checked(verified: &Verified, at: &str, deep: bool) -> String {
    let how = if deep { "read, their digests are right" } else { "there, their sizes are right" };
    let record = &verified.record;
    let rows = [
        ("package", at.to_owned()),
        ("manifests", format!("{}: read, their digests are right", verified.manifests)),
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
