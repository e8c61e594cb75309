//! A directory of a source as a `.tar.gz`, straight from the object database: there is no checkout.
//!
//! The same trees make the same bytes, on every machine: git's order, no times, no owners, modes
//! 644 and 755, names too long for a header in GNU's way.
//!
//! The archive is a series of gzip members, which is a gzip file as any other: see [`sections`].
//!
//! It lies below [`ROOT`] in the archive. Kaniko unpacks what it fetched from a bucket beside the
//! archive and leaves that there: `COPY .` would put it, and in it all that `.dockerignore` leaves
//! out, into the image. And the directory has a mode of its own so, where Kaniko would give it 750.

mod entries;
mod members;
pub mod plan;
pub mod sections;

use std::{collections::BTreeMap, fs::File, path::PathBuf};

use kilnworks_workflows::{names, steps::UploadInput};
use tokio_util::sync::CancellationToken;

use self::{entries::Packer, plan::Plan};
use crate::source::tree::{Entry, Tree};

/// Part of every key. To be raised when the same trees no longer make the same bytes.
const FORMAT: u32 = 3;

/// The directory of the archive that is the context.
pub const ROOT: &str = "context";

/// The content key of a context: made of ids of trees alone, so that it costs no packing. A
/// submodule's commit says nothing of where it came from, but its tree does of what is in it.
pub fn key(tree: &Tree, context: &Entry, lfs: bool) -> String {
    let mut content = format!("context {FORMAT}\nlfs {lfs}\n{}\n", context.id).into_bytes();
    for (path, id) in tree.grafts_in(context) {
        content.extend_from_slice(id.to_string().as_bytes());
        content.push(b' ');
        content.extend_from_slice(path);
        content.push(0);
    }
    names::hex(&content)
}

/// Where the contents of Git LFS pointer files are, by the digest in the pointer; none where
/// pointer files are a fault.
pub type Large = Option<BTreeMap<String, PathBuf>>;

/// Packs the sections of a directory that a plan does not spare into a file, one after the other,
/// and says how long each of them is there. A file of the source is read into memory as a whole,
/// one at a time, as libgit2 does no other; nothing else grows with the source. How large all of it
/// may be was seen to when the sections were found.
pub fn pack(
    tree: &Tree,
    context: &Entry,
    plan: &Plan,
    large: &Large,
    into: &mut File,
    cancel: &CancellationToken,
) -> anyhow::Result<Vec<u64>> {
    members::write(into, |members| {
        let mut packer = Packer::new(tree, large, members);
        plan.walk(tree, context, cancel, &mut |seen| packer.see(seen))?;
        packer.finish()
    })
}

/// The directory that an upload packs.
pub fn context(tree: &Tree, input: &UploadInput) -> anyhow::Result<Entry> {
    crate::render::context(tree, &input.context_dir, &input.commit)
}
