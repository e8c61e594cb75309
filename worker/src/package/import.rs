//! `kiln package import`: pushes an exported file to a registry.

use kilnworks_activities::package::archive::open::{self, Archive};
use kilnworks_workflows::names;

use super::{bar, reach};
use crate::{
    cli::ImportArgs,
    output::{Error, Exit, stdout},
};

/// Pushes a package. The whole file is verified first.
pub(crate) async fn import(args: ImportArgs) -> Result<Exit, Error> {
    let prefix = prefix(&args.prefix)?;
    let archive = open(&args).await?;
    let of = &archive.whole.of;
    let name = names::package(prefix, &of.app, of.component.as_deref());
    let repository = reach::repository(&args.registry, &name).await?;
    let bytes = archive.whole.blobs.values().map(|blob| blob.size.unsigned_abs()).sum();
    let bar = bar::bar("importing", Some(bytes));
    let sent = archive.send(&repository, args.force, |bytes| bar.inc(bytes)).await;
    drop(bar);
    let sent = sent.map_err(|error| reach::explain(error, &name))?;
    eprintln!("{} blobs pushed, {} existed", sent.sent, sent.there);
    stdout::print(&format!("{}@{}", sent.reference, sent.digest))?;
    Ok(Exit::Success)
}

/// Reads the archive on a blocking thread.
async fn open(args: &ImportArgs) -> Result<Archive, Error> {
    let (file, place) = (args.file.clone(), args.file.display().to_string());
    let length = std::fs::metadata(&file)
        .map_err(|error| Error::input(format!("cannot read the archive: {error}")).at(&place))?;
    let bar = bar::bar("checking", Some(length.len()));
    let reading = tokio::task::spawn_blocking(move || open::open(&file, |bytes| bar.inc(bytes)));
    let opened = reading.await.map_err(anyhow::Error::from)?;
    opened.map_err(|error| {
        Error::input(format!("the archive is invalid, nothing was pushed: {error:#}")).at(place)
    })
}

/// `registry/prefix`, without a tag.
fn prefix(text: &str) -> Result<&str, Error> {
    let plain = text.trim_end_matches('/');
    let (host, rest) = plain.split_once('/').unwrap_or((plain, ""));
    let is_host = host.contains(['.', ':']) || host == "localhost";
    match is_host && !rest.contains([':', '@']) {
        true => Ok(plain),
        false => Err(Error::input(format!("`{text}` is not a registry with a prefix")).hint(
            "an example is `registry.example.com/team`; the name of the package is appended",
        )),
    }
}
