//! Reads blobs and checks their digests, and puts blobs that are missing.

use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use kilnworks_workflows::failure::FailureType;
use oci_client::{errors::OciDistributionError, manifest::OciDescriptor};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use tokio_util::{bytes, io::ReaderStream};

use super::repository::{ANSWER, Repository};
use crate::error::{fail, own_disk};

/// The slowest acceptable transfer, in bytes per second.
const SLOWEST: u64 = 256 * 1024;

/// Bytes that are read from a file at a time.
const CHUNK: usize = 256 * 1024;

type Bytes = BoxStream<'static, Result<bytes::Bytes, OciDistributionError>>;

/// The content of a new blob.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// In memory.
    Bytes(Vec<u8>),
    /// A file, which nobody changes meanwhile.
    File(PathBuf),
    /// A part of such a file: its offset, and its number of bytes.
    Part(PathBuf, u64, u64),
}

/// The descriptor of a blob or a manifest.
pub fn descriptor(media_type: &str, digest: &str, size: u64) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_owned(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

impl Body {
    /// Its descriptor.
    pub async fn describe(&self, media_type: &str) -> anyhow::Result<OciDescriptor> {
        let (mut digest, mut size) = (Sha256::new(), 0);
        let mut bytes = self.stream().await?;
        while let Some(chunk) = bytes.try_next().await? {
            digest.update(&chunk);
            size += chunk.len() as u64;
        }
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(descriptor(media_type, &format!("sha256:{hex}"), size))
    }

    async fn stream(&self) -> anyhow::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => {
                let bytes = Ok(bytes::Bytes::from(bytes.clone()));
                Ok(futures::stream::iter([bytes]).boxed())
            }
            Self::File(path) => read(path, 0, u64::MAX).await,
            Self::Part(path, begin, size) => read(path, *begin, *size).await,
        }
    }
}

/// At most `most` bytes of a file, from an offset on.
async fn read(path: &Path, begin: u64, most: u64) -> anyhow::Result<Bytes> {
    let what = || format!("cannot read {}", path.display());
    let mut file = tokio::fs::File::open(path).await.with_context(what)?;
    file.seek(SeekFrom::Start(begin)).await.with_context(what)?;
    let bytes = ReaderStream::with_capacity(file.take(most), CHUNK);
    Ok(bytes.map_err(OciDistributionError::IoError).boxed())
}

impl Repository {
    /// Whether the repository has a blob.
    pub async fn has_blob(&self, digest: &str) -> anyhow::Result<bool> {
        let what = format!("cannot look up the blob `{}`", self.reference(digest));
        let exists = self.ask(&what, ANSWER, self.client.blob_exists(&self.whole, digest)).await?;
        Ok(exists.unwrap_or(false))
    }

    /// The content of a blob, at most `max` bytes.
    pub async fn read_blob(&self, blob: &OciDescriptor, max: u64) -> anyhow::Result<Vec<u8>> {
        let size = size(blob);
        anyhow::ensure!(
            size <= max,
            "the blob `{}` has {size} bytes; at most {max} are read",
            self.reference(&blob.digest)
        );
        let mut bytes = Vec::new();
        self.write_blob(blob, &mut bytes).await?;
        Ok(bytes)
    }

    /// Writes the content of a blob. Fails if the content does not match the descriptor's digest and size;
    /// the caller must then discard what was written.
    pub async fn write_blob<W>(&self, blob: &OciDescriptor, out: &mut W) -> anyhow::Result<()>
    where
        W: AsyncWrite + Unpin,
    {
        let what = format!("cannot read the blob `{}`", self.reference(&blob.digest));
        let damaged =
            |why: String| fail(FailureType::RegistryUnavailable, format!("{what}: {why}"));
        let Some(mut bytes) = self.pull(blob).await? else {
            return Err(damaged("it is not there".to_owned()));
        };
        let mut left = size(blob);
        let writing = async {
            while let Some(chunk) = bytes.next().await {
                let chunk = chunk.map_err(|error| damaged(error.to_string()))?;
                left = left
                    .checked_sub(chunk.len() as u64)
                    .ok_or_else(|| damaged("it is longer than its manifest says".to_owned()))?;
                out.write_all(&chunk).await.map_err(|error| own_disk(error.into()))?;
            }
            out.flush().await.map_err(|error| own_disk(error.into()))
        };
        let limit = limit(size(blob));
        tokio::time::timeout(limit, writing)
            .await
            .map_err(|_| damaged(format!("not done within {} s", limit.as_secs())))??;
        match left {
            0 => Ok(()),
            left => Err(damaged(format!("{left} bytes are missing"))),
        }
    }

    /// The content of a blob as a stream that fails at its end if the digest does not match. None if the
    /// repository does not have the blob.
    pub(super) async fn pull(&self, blob: &OciDescriptor) -> anyhow::Result<Option<Bytes>> {
        Ok(self.begin(blob).await?.map(|(bytes, _)| bytes))
    }

    async fn begin(&self, blob: &OciDescriptor) -> anyhow::Result<Option<(Bytes, u64)>> {
        let what = format!("cannot read the blob `{}`", self.reference(&blob.digest));
        // The new descriptor drops addresses on other hosts.
        let plain = descriptor(&blob.media_type, &blob.digest, size(blob));
        let begun = self.ask(&what, ANSWER, self.client.pull_blob_stream(&self.whole, &plain));
        Ok(begun.await?.map(|sized| {
            let bytes = sized.stream.map_err(OciDistributionError::IoError).boxed();
            (bytes, sized.content_length.unwrap_or(size(blob)))
        }))
    }

    /// Puts a blob unless it is there, and returns its descriptor.
    pub async fn put_blob(&self, body: &Body, media_type: &str) -> anyhow::Result<OciDescriptor> {
        let blob = body.describe(media_type).await?;
        self.put_known(&blob, body).await?;
        Ok(blob)
    }

    /// Puts a blob with this descriptor unless it is there, and returns whether it was sent. The registry
    /// refuses other content.
    pub async fn put_known(&self, blob: &OciDescriptor, body: &Body) -> anyhow::Result<bool> {
        if self.has_blob(&blob.digest).await? {
            return Ok(false);
        }
        self.push(blob, body.stream().await?).await?;
        Ok(true)
    }

    /// The size of a blob in the repository, without reading it; none if the blob is not there. If the
    /// registry does not tell the size, this is the descriptor's.
    pub async fn size_of(&self, blob: &OciDescriptor) -> anyhow::Result<Option<u64>> {
        // The client has no request for the size only. The body of this answer is not read.
        Ok(self.begin(blob).await?.map(|(_, size)| size))
    }

    pub(super) async fn push(&self, blob: &OciDescriptor, bytes: Bytes) -> anyhow::Result<()> {
        let what = format!("cannot put the blob `{}`", self.reference(&blob.digest));
        let size = size(blob);
        let pushing = self.client.push_blob_stream(&self.whole, bytes, &blob.digest, Some(size));
        let push = async {
            match pushing.await {
                // Some registries return no location after an upload.
                Err(OciDistributionError::RegistryNoLocationError)
                    if self.client.blob_exists(&self.whole, &blob.digest).await? =>
                {
                    Ok(())
                }
                pushed => pushed.map(drop),
            }
        };
        self.send(&what, limit(size), push).await
    }
}

pub(super) fn size(blob: &OciDescriptor) -> u64 {
    u64::try_from(blob.size).unwrap_or(0)
}

fn limit(size: u64) -> Duration {
    ANSWER + Duration::from_secs(size / SLOWEST)
}
