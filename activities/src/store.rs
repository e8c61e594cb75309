//! The store: where contexts and records lie. An S3 bucket, or a shared volume.

use std::path::Path;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, Volume, VolumeMount};

use crate::settings::StoreSettings;

/// What both stores do. A key is a relative path; what is under it never changes once it is there.
#[async_trait]
pub trait ContextStore: Send + Sync {
    /// Size in bytes of what is under a key; none where nothing is.
    async fn size(&self, key: &str) -> anyhow::Result<Option<u64>>;

    /// Puts a file under a key: wholly or not at all. Putting twice is harmless.
    async fn put(&self, key: &str, file: &Path) -> anyhow::Result<()>;

    /// Where a key is, for people: an URL.
    fn url(&self, key: &str) -> String;

    /// How an executor gets the context under a key.
    fn access(&self, key: &str) -> Access;
}

/// How an executor gets a context.
#[derive(Clone, Debug, Default, PartialEq)]
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
}

/// The store of the settings.
pub async fn open(_settings: &StoreSettings) -> anyhow::Result<Box<dyn ContextStore>> {
    todo!("S3 or volume")
}

/// Key of a packed context.
pub fn context_key(content: &str) -> String {
    format!("contexts/{content}.tar.gz")
}
