//! Fetches the Git LFS objects of a context.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use kilnworks_workflows::{failure::FailureType, steps::UploadInput};

use super::pack::{
    self,
    plan::{Plan, Visit},
};
use crate::{
    error::{fail, within},
    source::{
        Snapshot,
        address::{Address, Way},
        lfs::{Pointer, Server},
        tree::Kind,
    },
};

/// Fetches the objects that a context's pointer files name, as far as the plan packs these files.
/// Returns the path of each fetched file by its digest. Every file was checked against its pointer.
pub async fn fetch(
    snapshot: &Snapshot,
    input: Arc<UploadInput>,
    plan: Plan,
    dir: &Path,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let (_, credentials) = snapshot.origin();
    for (url, pointers) in wanted(snapshot, input, plan).await? {
        let address = Address::parse(&url)?;
        if address.way != Way::Web {
            let message = format!("`lfs: true` needs an http or https source, not `{url}`");
            return Err(fail(FailureType::InvalidSpec, message));
        }
        let server = Server::new(&address, credentials.login_for(&address))?;
        let pointers: Vec<_> = pointers.into_iter().collect();
        let fetched = server.fetch_all(&pointers, dir).await;
        files.extend(
            fetched.map_err(|error| within(&format!("Git LFS objects of `{url}`"), error))?,
        );
    }
    Ok(files)
}

/// The pointers in a context, by the URL of their repository.
async fn wanted(
    snapshot: &Snapshot,
    input: Arc<UploadInput>,
    plan: Plan,
) -> anyhow::Result<BTreeMap<String, BTreeSet<Pointer>>> {
    snapshot
        .read(move |tree, cancel| {
            let mut found: BTreeMap<String, BTreeSet<Pointer>> = BTreeMap::new();
            plan.walk(tree, &pack::context(tree, &input)?, cancel, &mut |seen| {
                let Visit::Entry(entry, _) = seen else { return Ok(()) };
                let is_file = matches!(entry.kind, Kind::File { .. });
                if is_file && let Some(pointer) = Pointer::of(tree, entry)? {
                    let url = tree.address_of(entry).url.clone();
                    found.entry(url).or_default().insert(pointer);
                }
                Ok(())
            })?;
            Ok(found)
        })
        .await
}
