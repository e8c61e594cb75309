//! Putting a large file in parts, a few at once.

use std::{path::Path, time::SystemTime};

use anyhow::Context;
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    primitives::{ByteStream, Length},
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{S3Store, SHA256, Unfinished};

/// Size of a part in bytes, and the size above which a file is put in parts. The last part may be
/// smaller.
pub(super) const PART: u64 = 16 * 1024 * 1024;

/// S3 takes no more parts of one object.
const MOST_PARTS: u64 = 10_000;

/// How many parts are sent at once.
const AT_ONCE: usize = 4;

/// Puts a file in parts. The object is there once all of them are; when one fails, those that were
/// sent are removed. Those of a worker that died are found by [`unfinished`].
pub(super) async fn put(
    store: &S3Store,
    key: &str,
    file: &Path,
    size: u64,
    sha256: &str,
) -> anyhow::Result<()> {
    let created = store
        .client
        .create_multipart_upload()
        .bucket(&store.bucket.name)
        .key(key)
        .metadata(SHA256, sha256)
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .send()
        .await
        .map_err(|error| store.explain("begin to store", key, error))?;
    let id = created.upload_id().context("the store gave no upload id")?;
    let sent = send(store, key, file, size, id).await;
    if sent.is_err() {
        let abort = store.client.abort_multipart_upload().bucket(&store.bucket.name);
        if let Err(error) = abort.key(key).upload_id(id).send().await {
            tracing::warn!(key, %error, "parts of an upload are left in the store");
        }
    }
    sent
}

async fn send(store: &S3Store, key: &str, file: &Path, size: u64, id: &str) -> anyhow::Result<()> {
    let part_size = PART.max(size.div_ceil(MOST_PARTS));
    let numbers = 0..size.div_ceil(part_size);
    let sending = numbers.map(|number| {
        let offset = number * part_size;
        let length = part_size.min(size - offset);
        part(store, key, file, id, number, offset..offset + length)
    });
    let parts: Vec<CompletedPart> = stream::iter(sending).buffered(AT_ONCE).try_collect().await?;
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = store.client.complete_multipart_upload().bucket(&store.bucket.name);
    match complete.key(key).upload_id(id).multipart_upload(parts).send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(store.explain("finish storing", key, error)),
    }
}

async fn part(
    store: &S3Store,
    key: &str,
    file: &Path,
    id: &str,
    number: u64,
    bytes: std::ops::Range<u64>,
) -> anyhow::Result<CompletedPart> {
    let body = ByteStream::read_from()
        .path(file)
        .offset(bytes.start)
        .length(Length::Exact(bytes.end - bytes.start))
        .build()
        .await
        .context("cannot read what is to be stored")?;
    // S3 counts parts from 1.
    let number = i32::try_from(number + 1).context("too many parts")?;
    let request = store.client.upload_part().bucket(&store.bucket.name).key(key);
    let sent = request
        .upload_id(id)
        .part_number(number)
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .body(body)
        .send()
        .await
        .map_err(|error| store.explain("store a part of", key, error))?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32(sent.checksum_crc32)
        .build())
}

/// Uploads in parts under a prefix that were begun before a time and never completed.
pub(super) async fn unfinished(
    store: &S3Store,
    prefix: &str,
    before: SystemTime,
) -> anyhow::Result<Vec<Unfinished>> {
    let (mut found, mut from) = (Vec::new(), (None, None));
    loop {
        let request = store.client.list_multipart_uploads().bucket(&store.bucket.name);
        let request = request.prefix(prefix).set_key_marker(from.0).set_upload_id_marker(from.1);
        let page = request.send().await;
        let page = page.map_err(|error| store.explain("list uploads under", prefix, error))?;
        found.extend(page.uploads().iter().filter_map(|upload| {
            let begun = SystemTime::try_from(*upload.initiated()?).ok()?;
            let (key, id) = (upload.key()?.to_owned(), upload.upload_id()?.to_owned());
            // Not every server heeds the prefix, and the bucket may be others', too.
            (begun < before && key.starts_with(prefix)).then_some(Unfinished { key, id })
        }));
        from = (page.next_key_marker, page.next_upload_id_marker);
        if !page.is_truncated.unwrap_or_default() || from.0.is_none() {
            return Ok(found);
        }
    }
}

/// Removes the parts of an upload.
pub(super) async fn discard(store: &S3Store, upload: &Unfinished) -> anyhow::Result<()> {
    let abort = store.client.abort_multipart_upload().bucket(&store.bucket.name);
    match abort.key(&upload.key).upload_id(&upload.id).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
        Err(error) => Err(store.explain("remove an upload of", &upload.key, error)),
    }
}
