//! An S3 bucket as the store.

mod multipart;

use std::{
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata, SdkError},
    primitives::{ByteStream, DateTime},
};
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, SecretEnvSource};
use kilnworks_workflows::failure::FailureType;
use sha2::{Digest, Sha256};

use super::{
    Access, ContextStore, Fetch, MAX_READ, Origin, Piece, Stored, Unfinished,
    presign::{self, Signer},
};
use crate::{blocking::blocking, error::fail, presigned, settings::Delivery};

/// The region of a server that has none.
const DEFAULT_REGION: &str = "us-east-1";

/// A bucket, and what an executor needs to read it.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Address of a server other than Amazon's. Such a server is asked by path, not by host name.
    pub endpoint: Option<String>,
    /// The region, where the environment does not say.
    pub region: Option<String>,
    /// Secret with the executor's own credentials.
    pub secret: Option<String>,
    /// How a context gets to its executor.
    pub delivery: Delivery,
}

/// Where an object's metadata has its SHA-256. S3's own checksum of an object that was put in parts
/// is one of its parts' checksums, and not every server keeps it.
const SHA256: &str = "sha256";

/// An S3 bucket.
pub struct S3Store {
    client: Client,
    signing: Client,
    bucket: Bucket,
    region: String,
}

impl S3Store {
    /// A client for a bucket. Nothing is asked yet.
    pub async fn open(bucket: Bucket) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build();
        let mut shared = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts);
        // Without this the SDK would ask the metadata server of a cloud where there is none.
        let named = bucket.region.clone().or_else(|| std::env::var("AWS_REGION").ok());
        if let Some(region) = named.or(bucket.endpoint.is_some().then(|| DEFAULT_REGION.to_owned()))
        {
            shared = shared.region(Region::new(region));
        }
        let shared = shared.load().await;
        let region = shared.region().map_or(DEFAULT_REGION, |region| region.as_ref()).to_owned();
        let mut config = Builder::from(&shared).region(Region::new(region.clone()));
        if let Some(endpoint) = &bucket.endpoint {
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        let signing = presign::client(config.clone());
        Self { client: Client::from_conf(config.build()), signing, bucket, region }
    }

    /// An error of the SDK as a failure that says what to look at.
    fn explain<E>(&self, what: &str, key: &str, error: SdkError<E>) -> anyhow::Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let said = match (error.message(), error.code()) {
            (Some(message), Some(code)) => format!("{message} ({code})"),
            _ => chain(&error),
        };
        let remedy = remedy(error.code(), status, &said);
        let at = self.bucket.endpoint.as_deref().unwrap_or("Amazon S3");
        let bucket = &self.bucket.name;
        let message =
            format!("cannot {what} `{key}` in the bucket `{bucket}` at {at}: {said}{remedy}");
        fail(FailureType::StoreUnavailable, message)
    }

    /// Gives the version of what was put.
    async fn put_whole(
        &self,
        key: &str,
        body: ByteStream,
        sha256: Option<&str>,
    ) -> anyhow::Result<Option<String>> {
        let mut request = self.client.put_object().bucket(&self.bucket.name).key(key).body(body);
        if let Some(sha256) = sha256 {
            request = request.metadata(SHA256, sha256);
        }
        match request.send().await {
            Ok(put) => Ok(put.e_tag),
            Err(error) => Err(self.explain("store", key, error)),
        }
    }

    /// What is there after a put. The SDK sends a checksum that the server verifies; this catches a
    /// server that does not.
    async fn verified(
        &self,
        key: &str,
        size: u64,
        version: Option<String>,
    ) -> anyhow::Result<Stored> {
        match self.find(key).await? {
            Some(stored) if stored.size == size => {
                // Another may have put the same bytes in other parts meanwhile.
                let version = stored.version.filter(|found| Some(found) == version.as_ref());
                Ok(Stored { version, ..stored })
            }
            stored => {
                let stored = stored.map(|stored| stored.size);
                let message =
                    format!("the store says that `{key}` has {stored:?} bytes, not {size}");
                Err(fail(FailureType::StoreUnavailable, message))
            }
        }
    }
}

fn stored(key: &str, size: Option<i64>, modified: Option<DateTime>) -> Stored {
    let modified = modified.and_then(|time| SystemTime::try_from(time).ok());
    Stored {
        key: key.to_owned(),
        size: size.unwrap_or_default().unsigned_abs(),
        // Of an unknown age is as good as new: nothing is removed for it.
        modified: modified.unwrap_or_else(SystemTime::now),
        sha256: None,
        version: None,
    }
}

/// SHA-256 of a file, in hexadecimal digits.
async fn checksum(file: &Path) -> anyhow::Result<String> {
    let file = file.to_owned();
    let summed = blocking(move |_| {
        let (mut hash, mut file) = (Sha256::new(), File::open(file)?);
        std::io::copy(&mut file, &mut hash)?;
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    });
    summed.await.context("cannot read what is to be stored")
}

/// An error and its causes in a line. The SDK's own long form repeats the server's whole answer.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            said += &format!(": {text}");
        }
        cause = error.source();
    }
    said
}

/// What an operator can do about a refusal.
fn remedy(code: Option<&str>, status: Option<u16>, said: &str) -> &'static str {
    match (code, status) {
        (Some("NoSuchBucket"), _) => "; create the bucket",
        (Some("InvalidAccessKeyId" | "SignatureDoesNotMatch"), _) => {
            "; check the worker's credentials, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        (Some("AccessDenied"), _) | (_, Some(403)) => {
            "; let the worker's credentials read, write and list the bucket"
        }
        _ if said.contains("credentials") => "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        _ => "",
    }
}

#[async_trait]
impl ContextStore for S3Store {
    async fn find(&self, key: &str) -> anyhow::Result<Option<Stored>> {
        let request = self.client.head_object().bucket(&self.bucket.name).key(key);
        match request.send().await {
            Ok(head) => {
                let sha256 = head.metadata().and_then(|metadata| metadata.get(SHA256)).cloned();
                let stored = stored(key, head.content_length, head.last_modified);
                Ok(Some(Stored { sha256, version: head.e_tag, ..stored }))
            }
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => {
                Ok(None)
            }
            Err(error) => Err(self.explain("find", key, error)),
        }
    }

    async fn list(&self, prefix: &str) -> anyhow::Result<Vec<Stored>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket.name).prefix(prefix);
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.explain("list", prefix, error))?;
            found.extend(page.contents.into_iter().flatten().filter_map(|object| {
                Some(stored(object.key.as_deref()?, object.size, object.last_modified))
            }));
        }
        Ok(found)
    }

    async fn put(&self, key: &str, file: &Path) -> anyhow::Result<Stored> {
        let found = tokio::fs::metadata(file).await;
        let size = found.context("cannot measure what is to be stored")?.len();
        let sha256 = checksum(file).await?;
        let version = match size > multipart::PART {
            true => multipart::put(self, key, file, size, &sha256).await?,
            false => {
                let body = ByteStream::from_path(file).await;
                let body = body.context("cannot read what is to be stored")?;
                self.put_whole(key, body, Some(&sha256)).await?
            }
        };
        self.verified(key, size, version).await
    }

    async fn compose(
        &self,
        key: &str,
        file: &Path,
        origin: &Origin,
        pieces: &[Piece],
    ) -> anyhow::Result<Stored> {
        let version = multipart::compose(self, key, file, origin, pieces).await?;
        self.verified(key, pieces.iter().map(Piece::length).sum(), version).await
    }

    async fn write(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
        self.put_whole(key, ByteStream::from(bytes), None).await.map(drop)
    }

    async fn read(&self, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let request = self.client.get_object().bucket(&self.bucket.name).key(key);
        let mut object = match request.send().await {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
                return Ok(None);
            }
            Err(error) => return Err(self.explain("read", key, error)),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk.map_err(|error| {
                fail(FailureType::StoreUnavailable, format!("cannot read `{key}`: {error}"))
            })?;
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MAX_READ {
                let message = format!("cannot read `{key}`: it has more than {MAX_READ} bytes");
                return Err(fail(FailureType::StoreUnavailable, message));
            }
        }
        Ok(Some(bytes))
    }

    async fn delete(&self, key: &str) -> anyhow::Result<()> {
        let request = self.client.delete_object().bucket(&self.bucket.name).key(key);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain("delete", key, error)),
        }
    }

    async fn unfinished(
        &self,
        prefix: &str,
        before: SystemTime,
    ) -> anyhow::Result<Vec<Unfinished>> {
        multipart::unfinished(self, prefix, before).await
    }

    async fn discard(&self, unfinished: &Unfinished) -> anyhow::Result<()> {
        multipart::discard(self, unfinished).await
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.name)
    }

    fn access(&self, key: &str) -> Access {
        match &self.bucket.delivery {
            Delivery::Direct => self.direct(key),
            Delivery::Presigned(image) => {
                let signer = Signer::new(&self.signing, &self.bucket.name, key);
                let access = presigned::access(Fetch { image: image.clone(), signer });
                Access { secret: self.bucket.secret.clone(), ..access }
            }
        }
    }

    fn wants_checksum(&self) -> bool {
        self.bucket.delivery != Delivery::Direct
    }
}

impl S3Store {
    /// By the executor itself.
    fn direct(&self, key: &str) -> Access {
        let variable = |name: &str, value: &str| EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..EnvVar::default()
        };
        let mut env = vec![variable("AWS_REGION", &self.region)];
        if let Some(endpoint) = &self.bucket.endpoint {
            env.push(variable("S3_ENDPOINT", endpoint));
            env.push(variable("S3_FORCE_PATH_STYLE", "true"));
        }
        let secret = self.bucket.secret.iter().map(|name| EnvFromSource {
            secret_ref: Some(SecretEnvSource { name: name.clone(), optional: None }),
            ..EnvFromSource::default()
        });
        Access {
            context: self.url(key),
            env,
            env_from: secret.collect(),
            secret: self.bucket.secret.clone(),
            ..Access::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::remedy;

    #[test]
    fn a_refusal_names_its_remedy() {
        for (code, status, expected) in [
            (Some("NoSuchBucket"), Some(404), "create the bucket"),
            (Some("AccessDenied"), Some(403), "let the worker's credentials"),
            (None, Some(403), "let the worker's credentials"),
            (Some("SignatureDoesNotMatch"), Some(400), "check the worker's"),
        ] {
            assert!(remedy(code, status, "").contains(expected), "{code:?}");
        }
        assert_eq!(remedy(Some("SlowDown"), Some(503), ""), "");
    }
}
