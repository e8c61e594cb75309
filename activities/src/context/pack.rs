//! Packs a directory of a source as a `.tar.gz`, straight from the object database, without a
//! checkout.
//!
//! The same trees make the same bytes on every machine: git's order, no times, no owners, modes 644
//! and 755, and GNU headers for long names. The archive is a series of gzip members, which every
//! gzip reader accepts: see [`sections`].
//!
//! All files are below [`ROOT`] in the archive. Kaniko unpacks an archive beside the archive itself
//! and leaves it there, so `COPY .` would copy the archive into the image. A directory of its own
//! also has its own mode; Kaniko gives the directory that it creates mode 750.

pub(crate) mod entries;
mod members;
pub mod plan;
pub mod sections;

use std::{collections::BTreeMap, fs::File, path::PathBuf};

use kilnworks_workflows::{names, steps::UploadInput};
use tokio_util::sync::CancellationToken;

use self::{entries::Packer, plan::Plan};
use crate::source::{
    directory::context_dir,
    tree::{Entry, Tree},
};

/// Part of every key. Raise it if the same trees no longer make the same bytes.
const FORMAT: u32 = 3;

/// The directory of the archive that is the context.
pub const ROOT: &str = "context";

/// The content key of a context. It is made of the ids of trees only, so it can be computed without
/// packing. A submodule counts by its tree, because its commit does not name its repository.
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

/// The files with the contents of Git LFS pointer files, by the digest in the pointer. If there are
/// none, pointer files are an error.
pub type Large = Option<BTreeMap<String, PathBuf>>;

/// Packs those sections of a directory that a plan does not copy, one after the other, and returns
/// the packed length of each. Memory: one file of the source at a time, as a whole, because libgit2
/// cannot read it in pieces. [`sections::of`] has checked the sizes before.
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
    context_dir(tree, &input.context_dir, &input.commit)
}
