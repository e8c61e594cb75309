//! Scans an archive: reads every byte, and checks every digest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read},
    ops::Range,
    path::Path,
};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

use super::{
    BLOBS, INDEX, LAYOUT,
    blocks::{self, Entry},
};
use crate::{package::whole::is_digest, registry::MANIFEST_BYTES};

/// The most entries of an archive.
const ENTRIES: usize = 100_000;

/// The contents of an archive.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub layout: Vec<u8>,
    pub index: Vec<u8>,
    /// The offsets of the blobs in the file, by digest.
    pub blobs: BTreeMap<String, Range<u64>>,
}

/// Scans an archive. `read` receives the numbers of bytes read.
pub(super) fn scan(path: &Path, mut read: impl FnMut(u64)) -> anyhow::Result<Scan> {
    let file = File::open(path).context("cannot open it")?;
    let length = file.metadata().context("cannot read it")?.len();
    let mut from = BufReader::with_capacity(256 * 1024, file);
    refuse_compressed(&mut from)?;
    let mut scan = Scan::default();
    let mut names = BTreeSet::new();
    blocks::read(from, length, |entry, bytes| {
        ensure!(names.insert(entry.name.clone()), "a second entry of this name");
        ensure!(names.len() <= ENTRIES, "more than {ENTRIES} entries");
        read(entry.size);
        scan.take(entry, bytes)
    })?;
    for (name, bytes) in [(LAYOUT, &scan.layout), (INDEX, &scan.index)] {
        ensure!(!bytes.is_empty(), "there is no `{name}` in it");
    }
    Ok(scan)
}

fn refuse_compressed(from: &mut BufReader<File>) -> anyhow::Result<()> {
    use io::BufRead;
    let begin = from.fill_buf().context("cannot read it")?;
    let compressed = [&[0x1f, 0x8b][..], b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"];
    let is_compressed = compressed.iter().any(|magic| begin.starts_with(magic));
    ensure!(!is_compressed, "it is compressed; decompress it first, for example with `gunzip`");
    Ok(())
}

impl Scan {
    fn take(&mut self, entry: &Entry, bytes: &mut impl Read) -> anyhow::Result<()> {
        match entry.name.as_str() {
            "blobs" | "blobs/" | "blobs/sha256" | BLOBS if entry.directory => Ok(()),
            LAYOUT if !entry.directory => small(entry, bytes).map(|it| self.layout = it),
            INDEX if !entry.directory => small(entry, bytes).map(|it| self.index = it),
            name => match name.strip_prefix(BLOBS).filter(|_| !entry.directory) {
                Some(hex) => self.blob(&format!("sha256:{hex}"), entry, bytes),
                None => bail!("not a name of an OCI image layout"),
            },
        }
    }

    fn blob(&mut self, digest: &str, entry: &Entry, bytes: &mut impl Read) -> anyhow::Result<()> {
        is_digest(digest)?;
        let mut hash = Sha256::new();
        io::copy(bytes, &mut hash).context("cannot read")?;
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        ensure!(digest.ends_with(&found), "damaged: its bytes have the digest `sha256:{found}`");
        self.blobs.insert(digest.to_owned(), entry.begin..entry.begin + entry.size);
        Ok(())
    }
}

fn small(entry: &Entry, bytes: &mut impl Read) -> anyhow::Result<Vec<u8>> {
    let size = entry.size;
    ensure!(size <= MANIFEST_BYTES as u64, "{size} bytes; at most {MANIFEST_BYTES} are read");
    let mut read = Vec::new();
    bytes.read_to_end(&mut read).context("cannot read")?;
    Ok(read)
}
