//! One layer of an image, on the disk.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::PathBuf,
};

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use kilnworks_workflows::failure::FailureType;
use tar::Archive;
use tokio_util::sync::CancellationToken;

use super::invalid;
use crate::{blocking::go_on, error::fail};

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Compression {
    None,
    Gzip,
}

/// The compression that a layer's media type names.
pub(super) fn compression(media_type: &str) -> anyhow::Result<Compression> {
    match media_type {
        kind if kind.ends_with("tar+gzip") || kind.ends_with("tar.gzip") => Ok(Compression::Gzip),
        kind if kind.ends_with(".tar") => Ok(Compression::None),
        kind => Err(invalid(format!(
            "a layer is `{kind}`, which cannot be read; gzip can, which Kaniko makes unless \
             `--compression` says otherwise"
        ))),
    }
}

/// The most bytes of an unpacked layer.
const UNPACKED: u64 = 8 << 30;

/// The most bytes of an extension header, such as a long name.
const EXTENSION: u64 = 1 << 20;

/// An entry of a layer.
pub(super) type Entry<'a> = tar::Entry<'a, Box<dyn Read>>;

/// A layer.
pub(super) struct Layer {
    pub(super) path: PathBuf,
    pub(super) compression: Compression,
}

impl Layer {
    /// Refuses a layer that would take too much memory or disk: by a very long name, which is read at once,
    /// or by more bytes than a layer may have.
    pub(super) fn check(&self, cancel: &CancellationToken) -> anyhow::Result<()> {
        let mut archive = self.archive(cancel)?;
        for entry in archive.entries().map_err(damaged)?.raw(true) {
            let entry = entry.map_err(damaged)?;
            let kind = entry.header().entry_type();
            let is_of_the_next = kind.is_gnu_longname()
                || kind.is_gnu_longlink()
                || kind.is_pax_local_extensions()
                || kind.is_pax_global_extensions();
            if is_of_the_next && entry.size() > EXTENSION {
                return Err(damaged(io::Error::other("a name in it is too long")));
            }
        }
        Ok(())
    }

    fn archive(&self, cancel: &CancellationToken) -> anyhow::Result<Archive<Box<dyn Read>>> {
        let file = File::open(&self.path).context("cannot open a layer")?;
        let file = BufReader::with_capacity(128 * 1024, file);
        let inner: Box<dyn Read> = match self.compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        };
        let bytes = Bounded { inner, left: UNPACKED, cancel: cancel.clone() };
        Ok(Archive::new(Box::new(bytes)))
    }

    /// Visits all entries, each with its number. The layer must be checked before.
    pub(super) fn entries(
        &self,
        cancel: &CancellationToken,
        see: &mut dyn FnMut(usize, &mut Entry<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut archive = self.archive(cancel)?;
        for (index, entry) in archive.entries().map_err(damaged)?.enumerate() {
            go_on(cancel)?;
            see(index, &mut entry.map_err(damaged)?)?;
        }
        Ok(())
    }
}

/// The unpacked bytes of a layer, cut at a bound.
struct Bounded {
    inner: Box<dyn Read>,
    left: u64,
    cancel: CancellationToken,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        let count = self.inner.read(into)?;
        let left = self.left.checked_sub(count as u64);
        self.left = left.ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than {} GiB", UNPACKED >> 30))
        })?;
        Ok(count)
    }
}

/// The failure of a layer that is not an archive although its digest is right.
pub(super) fn damaged(error: std::io::Error) -> anyhow::Error {
    let message = format!("yields: files: a layer of the image cannot be read: {error}");
    fail(FailureType::InvalidSpec, message)
}
