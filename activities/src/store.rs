//! The store of contexts and logs: an S3 bucket, or a shared volume.

pub mod presign;
pub mod retention;
pub mod s3;
pub mod volume;

use std::{ops::Range, path::Path, time::SystemTime};

use async_trait::async_trait;

use self::presign::Signer;
use crate::settings::{StoreSettings, VolumeMount};

/// A store. A key is a relative path. Every failure is a `StoreUnavailable`, because the operator
/// can fix even a refusal, and builds wait for that.
#[async_trait]
pub trait ContextStore: Send + Sync {
    /// The properties of the object under a key; none if there is no object.
    async fn find(&self, key: &str) -> anyhow::Result<Option<Stored>>;

    /// All objects whose keys start with the prefix, sorted by key. The prefix ends with `/`.
    async fn list(&self, prefix: &str) -> anyhow::Result<Vec<Stored>>;

    /// Stores a file under a key, completely or not at all, and returns what the store has then.
    /// Storing a file twice is harmless.
    async fn put(&self, key: &str, file: &Path) -> anyhow::Result<Stored>;

    /// Stores the concatenation of pieces under a key. Each piece is a part of the file or of the
    /// object `origin`. Each copied piece has at least [`LEAST_PART`] bytes, and so has each piece of
    /// the file except the last piece. Fails if the store no longer has the origin in its version.
    async fn compose(
        &self,
        key: &str,
        file: &Path,
        origin: &Origin,
        pieces: &[Piece],
    ) -> anyhow::Result<Stored>;

    /// Stores a few bytes under a key, completely or not at all.
    async fn write(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<()>;

    /// The content of the object under a key, at most [`MAX_READ`] bytes; none if there is no object.
    async fn read(&self, key: &str) -> anyhow::Result<Option<Vec<u8>>>;

    /// Deletes the object under a key. A missing object is no error.
    async fn delete(&self, key: &str) -> anyhow::Result<()>;

    /// Puts below a prefix that started before a time and did not finish: their workers died.
    async fn unfinished(&self, prefix: &str, before: SystemTime)
    -> anyhow::Result<Vec<Unfinished>>;

    /// Deletes what an unfinished put left. Nothing left is no error.
    async fn discard(&self, unfinished: &Unfinished) -> anyhow::Result<()>;

    /// The URL of a key, for people.
    fn url(&self, key: &str) -> String;

    /// Where the context under a key is. A volume and a signed address show a build only its own
    /// context. With [`Location::Bucket`] the executor's credentials read the whole bucket.
    fn location(&self, key: &str) -> Location;

    /// Whether a build needs the checksum of the stored context.
    fn wants_checksum(&self) -> bool {
        false
    }
}

/// An object in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was put.
    pub modified: SystemTime,
    /// SHA-256 of the content, in hexadecimal digits, if the store keeps it. A list has none.
    pub sha256: Option<String>,
    /// Changes with every put under the key, if the store has versions. A list has none.
    pub version: Option<String>,
}

/// A put that did not finish.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// The key of the put; in a volume, the path of its temporary file.
    pub key: String,
    /// The store's id of the put.
    pub id: String,
}

/// Where a context is and how a build may read it.
#[derive(Clone, Debug)]
pub enum Location {
    /// In a bucket that the executor reads with credentials of its own.
    Bucket {
        /// `s3://bucket/key`.
        url: String,
        /// The bucket's region.
        region: String,
        /// Address of a server other than Amazon's.
        endpoint: Option<String>,
        /// Secret with the executor's credentials. None if Pods have an identity.
        secret: Option<String>,
    },
    /// In a bucket that the executor cannot read. A container of this image fetches the context by
    /// a signed address.
    Presigned {
        /// The image of `kiln`.
        image: String,
        /// Signs the address.
        signer: Signer,
        /// The store's own Secret, which no build may name as its own.
        secret: Option<String>,
    },
    /// In a directory of a shared volume.
    Volume {
        /// The volume.
        volume: VolumeMount,
        /// The directory in the volume. It holds this context only.
        dir: String,
        /// Name of the file in the directory.
        file: String,
    },
}

/// The fewest bytes of a piece, except of a last piece of the file. S3 accepts no smaller part.
pub const LEAST_PART: u64 = 5 * 1024 * 1024;

/// A piece of a composed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the file that is sent.
    Own(Range<u64>),
    /// Bytes of an object that is in the store.
    Copied(Range<u64>),
}

impl Piece {
    /// The number of bytes.
    pub fn length(&self) -> u64 {
        let (Self::Own(range) | Self::Copied(range)) = self;
        range.end - range.start
    }

    /// Splits the piece into parts of about this size. No part is smaller, unless there is only one.
    fn split(&self, size: u64) -> impl Iterator<Item = Self> {
        let (Self::Own(range) | Self::Copied(range)) = self;
        let (start, length, is_own) = (range.start, self.length(), matches!(self, Self::Own(_)));
        let count = (length / size).max(1);
        (0..count).map(move |at| {
            let range = start + length * at / count..start + length * (at + 1) / count;
            if is_own { Self::Own(range) } else { Self::Copied(range) }
        })
    }
}

/// The object from which pieces are copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its key.
    pub key: String,
    /// Its [`Stored::version`]. The key may have other bytes by now.
    pub version: String,
}

/// The most bytes that are read from a store into memory.
pub const MAX_READ: u64 = 16 * 1024 * 1024;

/// Opens the store of the settings.
pub async fn open(settings: &StoreSettings) -> anyhow::Result<Box<dyn ContextStore>> {
    Ok(match settings {
        StoreSettings::S3(bucket) => Box::new(s3::S3Store::open(bucket.clone()).await),
        StoreSettings::Volume { dir, mount } => {
            Box::new(volume::VolumeStore::open(dir, mount.clone())?)
        }
    })
}

/// Prefix of all contexts.
pub const CONTEXTS: &str = "contexts/";

/// Prefix of the records of which sections a context consists. No executor can read them.
pub const SECTIONS: &str = "sections/";

/// Key of a packed context. Each context has its own directory, because a Pod mounts only that
/// directory of a shared volume.
pub fn context_key(content: &str) -> String {
    format!("{CONTEXTS}{content}/context.tar.gz")
}

#[cfg(test)]
mod tests {
    use super::Piece::{self, Copied, Own};

    #[test]
    fn no_part_is_small() {
        let split = |piece: Piece| piece.split(10).collect::<Vec<_>>();
        assert_eq!(split(Own(5..8)), [Own(5..8)]);
        assert_eq!(split(Own(5..24)), [Own(5..24)]);
        assert_eq!(split(Copied(5..25)), [Copied(5..15), Copied(15..25)]);
        assert_eq!(split(Copied(0..39)), [Copied(0..13), Copied(13..26), Copied(26..39)]);
        assert_eq!(split(Own(7..7)), [Own(7..7)]);
    }
}
