//! The files of an image: all its layers, one over the other. The layers are read twice, first for
//! their names, so that nothing is written of an image that exceeds the bounds.
//!
//! A package contains only files. A hard link or a symlink to a file of the image becomes a copy of
//! that file. Any other symlink is refused. Empty directories and devices are left out.

mod flat;
mod layer;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    future::Future,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use kilnworks_workflows::{bounds, checks, failure::FailureType};
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use self::{
    flat::{Flat, LayerEntry},
    layer::Layer,
};
use super::media;
use crate::{
    blocking::{blocking, go_on},
    error::fail,
};

/// A file that a container yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Yielded {
    /// Its name: its path in the image.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// The file with its bytes, in the caller's directory. Links to the same file share it.
    pub path: PathBuf,
}

/// The files of an image, sorted by name. `blob` returns the file of a layer whose digest it has
/// checked. Contents are written to `dir`, which the caller deletes.
pub async fn files<F>(
    manifest: &OciImageManifest,
    blob: impl Fn(OciDescriptor) -> F,
    dir: &Path,
) -> anyhow::Result<Vec<Yielded>>
where
    F: Future<Output = anyhow::Result<PathBuf>>,
{
    let packed: u64 = manifest.layers.iter().map(|it| it.size.unsigned_abs()).sum();
    if packed > bounds::YIELDED_BYTES {
        let most = bounds::YIELDED_BYTES >> 20;
        return Err(invalid(format!(
            "the layers of the last stage have {} MiB; at most {most} MiB are read",
            packed >> 20
        )));
    }
    let mut layers = Vec::new();
    for descriptor in &manifest.layers {
        let compression = layer::compression(&descriptor.media_type)?;
        layers.push(Layer { compression, path: blob(descriptor.clone()).await? });
    }
    let dir = dir.to_owned();
    blocking(move |cancel| {
        let mut flat = Flat::default();
        for (index, layer) in layers.iter().enumerate() {
            layer.check(cancel)?;
            flat.add(index, layer, cancel)?;
        }
        let wanted = wanted(&flat)?;
        let kept = keep(&layers, &wanted, &dir, cancel)?;
        let named = |(name, origin): (String, LayerEntry)| {
            let Kept(path, digest, size) = kept[&origin].clone();
            Yielded { media_type: media::of(&name), name, digest, size, path }
        };
        Ok(wanted.into_iter().map(named).collect())
    })
    .await
}

/// The names of the files, each with where its bytes are.
fn wanted(flat: &Flat) -> anyhow::Result<BTreeMap<String, LayerEntry>> {
    let count = flat.files().count();
    if count == 0 {
        return Err(invalid("the last stage contains no file".to_owned()));
    }
    let bytes: u64 = flat.files().map(|(_, size)| size).sum();
    let shown = bytes / 1024 / 1024;
    if count > bounds::YIELDED_FILES || bytes > bounds::YIELDED_BYTES {
        return Err(invalid(format!(
            "the last stage holds {count} files of {shown} MiB; at most {} and {} MiB are accepted: \
             end it with `FROM scratch` and `COPY --from=` of what is wanted",
            bounds::YIELDED_FILES,
            bounds::YIELDED_BYTES / 1024 / 1024,
        )));
    }
    let mut wanted = BTreeMap::new();
    for (path, _) in flat.files() {
        let name = String::from_utf8(path.to_vec()).map_err(|_| {
            invalid(format!("the name `{}` is not UTF-8", String::from_utf8_lossy(path)))
        })?;
        checks::path(&name).map_err(invalid)?;
        wanted.insert(name, flat.origin(path).map_err(invalid)?);
    }
    Ok(wanted)
}

/// A file on the disk: its path, digest and size.
#[derive(Clone)]
struct Kept(PathBuf, String, u64);

/// Writes each wanted file once, even if it has several names.
fn keep(
    layers: &[Layer],
    wanted: &BTreeMap<String, LayerEntry>,
    dir: &Path,
    cancel: &CancellationToken,
) -> anyhow::Result<BTreeMap<LayerEntry, Kept>> {
    let wanted: BTreeSet<_> = wanted.values().copied().collect();
    let mut kept = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        if !wanted.iter().any(|origin| origin.layer == index) {
            continue;
        }
        layer.entries(cancel, &mut |entry, content| {
            let origin = LayerEntry { layer: index, entry };
            if wanted.contains(&origin) {
                let path = dir.join(format!("yielded-{index}-{entry}"));
                kept.insert(origin, write(content, path, cancel)?);
            }
            Ok(())
        })?;
    }
    Ok(kept)
}

fn write(
    content: &mut dyn Read,
    path: PathBuf,
    cancel: &CancellationToken,
) -> anyhow::Result<Kept> {
    let mut file = File::create(&path).context("cannot keep a file that a container yields")?;
    let mut digest = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        go_on(cancel)?;
        let count = match content.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count.map_err(layer::damaged)?,
        };
        if count == 0 {
            break;
        }
        digest.update(&buffer[..count]);
        file.write_all(&buffer[..count]).context("cannot keep a file that a container yields")?;
        size += count as u64;
    }
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(Kept(path, format!("sha256:{digest}"), size))
}

fn invalid(message: String) -> anyhow::Error {
    fail(FailureType::InvalidSpec, format!("yields: files: {message}"))
}
