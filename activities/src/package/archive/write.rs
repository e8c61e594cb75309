//! Writes an archive, blob by blob from the registry.

use std::{
    collections::BTreeMap,
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use oci_client::manifest::OciDescriptor;
use tar::{EntryType, Header};
use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use tokio_util::io::InspectWriter;

use super::{BLOBS, BLOCK, INDEX, LAYOUT, index};
use crate::{
    context::pack::entries,
    package::whole::{Whole, size},
    registry::Repository,
};

/// Bytes of the write buffer.
const BUFFER: usize = 256 * 1024;

/// The content of an entry.
enum Source<'a> {
    Bytes(&'a [u8]),
    Blob(&'a OciDescriptor),
}

/// Writes a package of a repository into a file, and replaces an existing file. `wrote` receives the
/// number of bytes of each write.
///
/// The file appears when it is complete. Until then the bytes are in a file beside it, which is deleted
/// if this fails or is dropped.
pub async fn write(
    whole: &Whole,
    from: &Repository,
    to: &Path,
    wrote: impl FnMut(&[u8]) + Unpin,
) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", to.display());
    let temporary = beside(to).with_context(cannot)?;
    let file = temporary.as_file().try_clone().with_context(cannot)?;
    let file = BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file));
    let mut out = InspectWriter::new(file, wrote);
    content(whole, from, &mut out).await.with_context(cannot)?;
    out.flush().await.with_context(cannot)?;
    out.into_inner().into_inner().sync_all().await.with_context(cannot)?;
    temporary.persist(to).with_context(cannot)?;
    Ok(())
}

/// A temporary file in the same directory. It is deleted unless it is renamed.
pub fn beside(to: &Path) -> io::Result<NamedTempFile> {
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.map_or_else(|| PathBuf::from("."), Path::to_owned);
    // The umask applies, as for any new file.
    let mode = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".kiln-").permissions(mode).tempfile_in(directory)
}

async fn content<W: AsyncWrite + Unpin>(
    whole: &Whole,
    from: &Repository,
    out: &mut W,
) -> anyhow::Result<()> {
    let layout = index::layout();
    let index = index::of(whole)?;
    let fixed = [(LAYOUT, layout.as_bytes()), (INDEX, &index)];
    for (name, bytes) in fixed {
        entry(from, out, name, Source::Bytes(bytes)).await?;
    }
    let manifests = std::iter::once(&whole.package).chain(&whole.manifests);
    let manifests = manifests.map(|it| (&*it.digest, Source::Bytes(&it.bytes)));
    let blobs = whole.blobs.iter().map(|(digest, blob)| (&**digest, Source::Blob(blob)));
    for (digest, source) in blobs.chain(manifests).collect::<BTreeMap<_, _>>() {
        let hex = digest.trim_start_matches("sha256:");
        entry(from, out, &format!("{BLOBS}{hex}"), source).await?;
    }
    // A tar ends with two empty blocks.
    out.write_all(&[0; 2 * BLOCK as usize]).await?;
    Ok(())
}

async fn entry<W: AsyncWrite + Unpin>(
    from: &Repository,
    out: &mut W,
    name: &str,
    source: Source<'_>,
) -> anyhow::Result<()> {
    let size = match source {
        Source::Bytes(bytes) => bytes.len() as u64,
        Source::Blob(blob) => size(blob),
    };
    out.write_all(header(name, size)?.as_bytes()).await?;
    match source {
        Source::Bytes(bytes) => out.write_all(bytes).await?,
        Source::Blob(blob) => from.write_blob(blob, out).await?,
    }
    let padding = size.next_multiple_of(BLOCK) - size;
    out.write_all(&[0; BLOCK as usize][..padding as usize]).await?;
    Ok(())
}

pub(super) fn header(name: &str, size: u64) -> io::Result<Header> {
    let mut header = entries::header(EntryType::Regular, 0o644, size);
    header.set_path(name)?;
    header.set_cksum();
    Ok(header)
}

/// Bytes of a package's archive, without its two small files.
pub fn length(whole: &Whole) -> u64 {
    let manifests = std::iter::once(&whole.package).chain(&whole.manifests);
    let manifests = manifests.map(|manifest| manifest.bytes.len() as u64);
    let sizes = whole.blobs.values().map(size).chain(manifests);
    sizes.map(|it| BLOCK + it.next_multiple_of(BLOCK)).sum()
}
