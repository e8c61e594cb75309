//! Git LFS: pointer files, and fetching what they point to.
//!
//! Formats: the pointer file and the batch API of github.com/git-lfs/git-lfs (`docs/spec.md`,
//! `docs/api/batch.md`). Only http and https are spoken; `.lfsconfig` is not read.

mod batch;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use kilnworks_workflows::{failure::FailureType, steps::UploadInput};

use crate::{
    error::{fail, within},
    pack::{
        self,
        plan::{Plan, Seen},
    },
    source::{
        Snapshot,
        address::{Address, Way},
        tree::{Entry, Kind, Tree},
    },
};

/// Larger files are no pointers.
const MAX_POINTER: usize = 1024;

/// What stands in the repository for a large file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    /// SHA-256 of the content, in hexadecimal.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Pointer {
    /// The pointer that a file is; none where it is another file.
    pub fn of(tree: &Tree, file: &Entry) -> anyhow::Result<Option<Self>> {
        let content = tree.read(file, MAX_POINTER)?;
        Ok(content.as_deref().and_then(Self::parse))
    }

    /// Reads a pointer file; none where the content is another file's.
    pub fn parse(content: &[u8]) -> Option<Self> {
        if content.len() > MAX_POINTER
            || !content.starts_with(b"version https://git-lfs.github.com/spec/v1")
        {
            return None;
        }
        let mut digest = None;
        let mut size = None;
        for line in std::str::from_utf8(content).ok()?.lines() {
            match line.split_once(' ') {
                Some(("oid", oid)) => digest = oid.strip_prefix("sha256:"),
                Some(("size", bytes)) => size = bytes.parse().ok(),
                _ => {}
            }
        }
        let is_hex = |text: &&str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
        Some(Self { digest: digest.filter(is_hex)?.to_ascii_lowercase(), size: size? })
    }
}

/// Fetches what the pointer files of a context point to into a directory, as far as they are to be
/// packed. Every file was checked against its pointer.
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
            let message =
                format!("`lfs: true` needs a source by http or https; `{url}` is another");
            return Err(fail(FailureType::InvalidSpec, message));
        }
        let server = batch::Server::new(&address, credentials.login_for(&address))?;
        let pointers: Vec<_> = pointers.into_iter().collect();
        for some in pointers.chunks(batch::MOST) {
            let fetched = server.fetch(some, dir).await;
            files.extend(
                fetched.map_err(|error| within(&format!("Git LFS objects of `{url}`"), error))?,
            );
        }
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
                let Seen::Entry(entry, _) = seen else { return Ok(()) };
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

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn a_pointer_is_told_from_other_files() {
        let digest = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345\n"
        );
        assert_eq!(
            Pointer::parse(pointer.as_bytes()),
            Some(Pointer { digest: digest.to_owned(), size: 12345 })
        );
        for other in [
            "",
            "version https://git-lfs.github.com/spec/v1\n",
            "version https://git-lfs.github.com/spec/v1\noid sha256:../../etc\nsize 1\n",
            &pointer.replace("size 12345", "size many"),
            &format!("# {pointer}"),
            &format!("{pointer}{}", "x".repeat(1024)),
        ] {
            assert_eq!(Pointer::parse(other.as_bytes()), None, "{other}");
        }
    }
}
