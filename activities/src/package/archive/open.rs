//! Opens an archive. Nothing in it is used before all of it is verified.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use futures::FutureExt;
use oci_client::manifest::OciDescriptor;

use super::{
    INDEX, LAYOUT,
    index::{self, Index, name},
    scan::{self, Scan},
};
use crate::{
    package::whole::{Whole, size},
    registry::{Body, MANIFEST_BYTES, Manifest},
};

/// A verified archive.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    /// The package and everything in it.
    pub whole: Whole,
    places: BTreeMap<String, Range<u64>>,
}

/// Opens an archive and verifies all of it. `read` receives the numbers of bytes read. Nothing is
/// written.
///
/// # Errors
/// If a name is not one of a layout's, a digest does not match, a size is wrong, something named is
/// missing, something is there that nothing names, the file is cut off, or it contains no package of
/// ours.
pub fn open(path: &Path, read: impl FnMut(u64)) -> anyhow::Result<Archive> {
    let scan = scan::scan(path, read)?;
    index::check_layout(&scan.layout).context(LAYOUT)?;
    let index = index::read(&scan.index).context(INDEX)?;
    let file = File::open(path).context("cannot open it")?;
    let manifests = Manifests { file: &file, scan: &scan };
    // This never waits, because the manifests are in the file.
    let whole = manifests.whole(&index).now_or_never().context("a read that waits")??;
    check_blobs(&whole, &scan)?;
    Ok(Archive { path: path.to_owned(), whole, places: scan.blobs })
}

impl Archive {
    /// The bytes of a blob.
    pub fn body(&self, blob: &OciDescriptor) -> anyhow::Result<Body> {
        let place = self.places.get(&blob.digest);
        let place = place.with_context(|| format!("no `{}`", blob.digest))?;
        Ok(Body::Part(self.path.clone(), place.start, place.end - place.start))
    }
}

struct Manifests<'a> {
    file: &'a File,
    scan: &'a Scan,
}

impl Manifests<'_> {
    fn read(&self, digest: &str) -> anyhow::Result<Manifest> {
        let place = self.scan.blobs.get(digest);
        let place = place.with_context(|| format!("the manifest `{digest}` is missing"))?;
        let size = place.end - place.start;
        ensure!(
            size <= MANIFEST_BYTES as u64,
            "the manifest `{digest}` has {size} bytes; at most {MANIFEST_BYTES} are read"
        );
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, place.start).context("cannot read a manifest")?;
        let manifest = Manifest::of(bytes).with_context(|| format!("`{digest}`"))?;
        ensure!(manifest.digest == digest, "`{digest}` has changed while it was read");
        Ok(manifest)
    }

    /// The package of an index, and its referrers.
    async fn whole(&self, index: &Index) -> anyhow::Result<Whole> {
        let mut read = async |digest: &str| self.read(digest).map(Some);
        let entries = index.manifests.iter();
        let names: BTreeSet<_> = entries.clone().map(|it| &it.digest).collect();
        ensure!(names.len() == index.manifests.len(), "{INDEX} names a manifest twice");
        ensure!(names.len() <= ENTRIES, "{INDEX} names more than {ENTRIES} manifests");
        let found: Vec<_> =
            entries.map(|it| self.read(&it.digest)).collect::<Result<_, _>>().context(INDEX)?;
        let mut packages = found.iter().filter(|it| crate::package::read::kind(it).is_ok());
        let (Some(package), None) = (packages.next(), packages.next()) else {
            anyhow::bail!("{INDEX} must name one package of Kilnworks");
        };
        let mut whole = Whole::of(package.clone(), &mut read).await?;
        let mut left: Vec<_> =
            found.into_iter().filter(|it| whole.find(&it.digest).is_none()).collect();
        // A referrer may be named before its subject.
        while let Some(next) = left.iter().position(|it| referred(&whole, it).is_some()) {
            let referrer = left.remove(next);
            let subject = referred(&whole, &referrer).unwrap_or_default();
            whole.refer(&subject, &referrer.descriptor(), &mut read).await?;
        }
        if let Some(stray) = left.first() {
            anyhow::bail!("{INDEX} names `{}`, which is not the package's", stray.digest);
        }
        for entry in &index.manifests {
            whole.agrees(entry).context(INDEX)?;
            let is_package = entry.digest == whole.package.digest;
            let named = name(entry).filter(|_| is_package);
            ensure!(
                named.is_none_or(|name| name.rsplit(':').next() == Some(&whole.tag)),
                "{INDEX} names the package `{}`; it is `{}`",
                named.unwrap_or_default(),
                whole.tag
            );
        }
        whole.sound()
    }
}

/// Checks the manifests of an archive's index: a package, and its referrers.
const ENTRIES: usize = 1000;

/// The digest of the subject of a referrer, if it is in the package.
fn referred(whole: &Whole, manifest: &Manifest) -> Option<String> {
    let subject = manifest.parts().ok()?.subject?;
    whole.find(&subject.digest).map(|found| found.digest.clone())
}

/// Fails unless everything that is named is there with its size, and nothing else.
fn check_blobs(whole: &Whole, scan: &Scan) -> anyhow::Result<()> {
    for (digest, blob) in &whole.blobs {
        let place = scan.blobs.get(digest);
        let place = place.with_context(|| format!("the blob `{digest}` is missing"))?;
        let there = place.end - place.start;
        let said = size(blob);
        ensure!(
            there == said,
            "the blob `{digest}` has {there} bytes, not the {said} of its manifest"
        );
    }
    let named: BTreeSet<_> = whole.blobs.keys().collect();
    let stray = scan.blobs.keys().find(|it| !named.contains(it) && whole.find(it).is_none());
    if let Some(digest) = stray {
        anyhow::bail!("`{digest}` is there, but nothing names it");
    }
    Ok(())
}
