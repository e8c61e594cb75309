//! The store: where contexts and records lie. An S3 bucket, or a shared volume.

pub mod compose;
pub mod presign;
pub mod retention;
pub mod s3;
pub mod volume;

use std::{path::Path, time::SystemTime};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, Volume, VolumeMount};

pub use self::compose::{LEAST_PART, Origin, Piece};
use crate::settings::StoreSettings;

/// What both stores do. A key is a relative path. Every failure is a `StoreUnavailable`: even a refusal is the operator's to mend, and builds wait
/// for that.
#[async_trait]
pub trait ContextStore: Send + Sync {
    /// What is known of what is under a key; none where nothing is.
    async fn find(&self, key: &str) -> anyhow::Result<Option<Stored>>;

    /// Everything whose key begins so, in the order of the keys. The prefix ends with `/`.
    async fn list(&self, prefix: &str) -> anyhow::Result<Vec<Stored>>;

    /// Puts a file under a key, wholly or not at all, and says what is there then. Putting twice is
    /// harmless.
    async fn put(&self, key: &str, file: &Path) -> anyhow::Result<Stored>;

    /// Puts pieces of a file and of an object that is there under a key, one after the other,
    /// likewise. All copied ones, and all but the last, have [`LEAST_PART`] bytes and more. Fails
    /// where the object is not there any more, or is another.
    async fn compose(
        &self,
        key: &str,
        file: &Path,
        origin: &Origin,
        pieces: &[Piece],
    ) -> anyhow::Result<Stored>;

    /// Puts a few bytes under a key, likewise.
    async fn write(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<()>;

    /// What is under a key; none where nothing is. For records: more than [`MAX_READ`] bytes are
    /// refused.
    async fn read(&self, key: &str) -> anyhow::Result<Option<Vec<u8>>>;

    /// Removes what is under a key. Nothing there is fine.
    async fn delete(&self, key: &str) -> anyhow::Result<()>;

    /// Puts under a prefix that began before a time and never ended: their workers died.
    async fn unfinished(&self, prefix: &str, before: SystemTime)
    -> anyhow::Result<Vec<Unfinished>>;

    /// Removes what is left of a put that never ended. Nothing there is fine.
    async fn discard(&self, unfinished: &Unfinished) -> anyhow::Result<()>;

    /// Where a key is, for people: an URL.
    fn url(&self, key: &str) -> String;

    /// How an executor gets the context under a key. A volume shows it that context alone, and so
    /// does an address that is signed; with S3 directly its credentials read the whole bucket.
    fn access(&self, key: &str) -> Access;

    /// Whether that way takes the checksum of what is stored.
    fn wants_checksum(&self) -> bool {
        false
    }
}

/// What is under a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was put.
    pub modified: SystemTime,
    /// SHA-256 of what was put, where the store keeps it; a list has none.
    pub sha256: Option<String>,
    /// Tells it from whatever else is put under the key, where the store does; a list has none.
    pub version: Option<String>,
}

/// A put that never ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// The key under which it was to be; of a volume, the path of its file.
    pub key: String,
    /// What the store calls it.
    pub id: String,
}

/// The most that is read out of a store into memory, in bytes.
pub const MAX_READ: u64 = 16 * 1024 * 1024;

/// How an executor gets a context.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Value of `--context`.
    pub context: String,
    /// Variables of the executor.
    pub env: Vec<EnvVar>,
    /// Secrets whose keys are variables of the executor.
    pub env_from: Vec<EnvFromSource>,
    /// Volumes of the Pod.
    pub volumes: Vec<Volume>,
    /// Their mounts in the executor.
    pub mounts: Vec<VolumeMount>,
    /// What fetches the context before the executor starts, where that does not do it itself.
    pub fetch: Option<Fetch>,
    /// The store's own Secret, which no build may name as its own.
    pub secret: Option<String>,
}

/// How another container than the executor gets a context.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Image of that container: that of `kiln`.
    pub image: String,
    /// What signs the address of the context.
    pub signer: presign::Signer,
}

/// The store of the settings.
pub async fn open(settings: &StoreSettings) -> anyhow::Result<Box<dyn ContextStore>> {
    Ok(match settings {
        StoreSettings::S3 { bucket, endpoint, secret, region, delivery } => {
            let place = s3::Bucket {
                name: bucket.clone(),
                endpoint: endpoint.clone(),
                region: region.clone(),
                secret: secret.clone(),
                delivery: delivery.clone(),
            };
            Box::new(s3::S3Store::open(place).await)
        }
        StoreSettings::Volume { dir, mount } => {
            Box::new(volume::VolumeStore::open(dir, mount.clone())?)
        }
    })
}

/// Where all contexts lie.
pub const CONTEXTS: &str = "contexts/";

/// Where it is told of what contexts are made. No executor can read it.
pub const SECTIONS: &str = "sections/";

/// Key of a packed context. It has a directory of its own, which is all that its Pod mounts of a
/// shared volume.
pub fn context_key(content: &str) -> String {
    format!("{CONTEXTS}{content}/context.tar.gz")
}
