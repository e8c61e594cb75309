//! An S3 bucket as the store.

mod explain;
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
    error::ProvideErrorMetadata,
    primitives::{ByteStream, DateTime},
};
use kilnworks_workflows::failure::FailureType;
use sha2::{Digest, Sha256};

pub(super) use self::explain::chain;
use self::multipart::Upload;
use super::{
    ContextStore, Location, MAX_READ, Origin, Piece, Stored, Unfinished,
    presign::{self, Signer},
};
use crate::{
    blocking::blocking,
    error::fail,
    settings::{Bucket, Delivery},
};

/// The region of a server that has no regions.
const DEFAULT_REGION: &str = "us-east-1";

/// The metadata key of an object's SHA-256. S3's own checksum of a multipart object is a checksum of
/// the checksums of its parts, and some servers do not keep it.
const SHA256: &str = "sha256";

/// An S3 bucket.
pub struct S3Store {
    client: Client,
    signing: Client,
    bucket: Bucket,
    region: String,
}

impl S3Store {
    /// Creates a client for a bucket. It sends no request.
    pub async fn open(bucket: Bucket) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build();
        let mut shared = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts);
        // Without a region the SDK asks a cloud's metadata server, which does not exist everywhere.
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

    /// Puts an object in one request and returns its version.
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

    /// The object after a put. The SDK sends a checksum that the server verifies. This check finds
    /// servers that do not verify it.
    async fn verified(
        &self,
        key: &str,
        size: u64,
        version: Option<String>,
    ) -> anyhow::Result<Stored> {
        match self.find(key).await? {
            Some(stored) if stored.size == size => {
                // Another worker may have put the same bytes in other parts since.
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
        // An object of unknown age counts as new, so no sweep deletes it.
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
            true => {
                let upload = Upload { store: self, key, file, origin: None };
                multipart::put(upload, &[Piece::Own(0..size)], Some(&sha256)).await?
            }
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
        let upload = Upload { store: self, key, file, origin: Some(origin) };
        let version = multipart::put(upload, pieces, None).await?;
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
        let Unfinished { key, id } = unfinished;
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket.name);
        match abort.key(key).upload_id(id).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(self.explain("remove an upload of", key, error)),
        }
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.name)
    }

    fn location(&self, key: &str) -> Location {
        let Bucket { name, endpoint, secret, delivery, .. } = self.bucket.clone();
        match delivery {
            Delivery::Direct => Location::Bucket {
                url: self.url(key),
                region: self.region.clone(),
                endpoint,
                secret,
            },
            Delivery::Presigned(image) => {
                let signer = Signer::new(&self.signing, &name, key);
                Location::Presigned { image, signer, secret }
            }
        }
    }

    fn wants_checksum(&self) -> bool {
        self.bucket.delivery != Delivery::Direct
    }
}
