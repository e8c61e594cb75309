//! Puts a large object in parts, a few at the same time.

mod part;

use std::time::SystemTime;

use anyhow::Context;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt, TryStreamExt, stream};

pub(in crate::store::s3) use self::part::Upload;
use super::{Origin, Piece, S3Store, SHA256, Unfinished};

/// Size of a part in bytes. Larger files are put in parts.
pub(super) const PART: u64 = 16 * 1024 * 1024;

/// The most parts of an object that S3 accepts.
const MOST_PARTS: usize = 10_000;

/// How many parts are sent at the same time.
const AT_ONCE: usize = 4;

/// Puts the concatenation of pieces, and returns its version. The object appears once all parts are
/// sent. If a part fails, this deletes the parts that were sent. If the worker dies, [`unfinished`]
/// finds them.
pub(super) async fn put(
    upload: Upload<'_>,
    pieces: &[Piece],
    sha256: Option<&str>,
) -> anyhow::Result<Option<String>> {
    let parts = parts(pieces)?;
    let Upload { store, key, .. } = upload;
    let created = store
        .client
        .create_multipart_upload()
        .bucket(&store.bucket.name)
        .key(key)
        .set_metadata(sha256.map(|sha256| [(SHA256.to_owned(), sha256.to_owned())].into()))
        .set_checksum_algorithm(upload.checksum())
        .send()
        .await
        .map_err(|error| store.explain("begin to store", key, error))?;
    let id = created.upload_id().context("the store gave no upload id")?;
    let sent = send(&upload, id, parts).await;
    if sent.is_err() {
        let abort = store.client.abort_multipart_upload().bucket(&store.bucket.name);
        if let Err(error) = abort.key(key).upload_id(id).send().await {
            tracing::warn!(key, %error, "parts of an upload are left in the store");
        }
    }
    sent
}

fn parts(pieces: &[Piece]) -> anyhow::Result<Vec<Piece>> {
    let size: u64 = pieces.iter().map(Piece::length).sum();
    let part = PART.max(size.div_ceil(MOST_PARTS as u64));
    let parts: Vec<_> = pieces.iter().flat_map(|piece| piece.split(part)).collect();
    anyhow::ensure!(parts.len() <= MOST_PARTS, "it would take {} parts", parts.len());
    Ok(parts)
}

async fn send(upload: &Upload<'_>, id: &str, parts: Vec<Piece>) -> anyhow::Result<Option<String>> {
    let Upload { store, key, .. } = upload;
    // S3 counts parts from 1.
    let sending = (1..).zip(parts).map(|(number, part)| upload.part(id, number, part));
    let parts: Vec<CompletedPart> = stream::iter(sending).buffered(AT_ONCE).try_collect().await?;
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = store.client.complete_multipart_upload().bucket(&store.bucket.name);
    match complete.key(*key).upload_id(id).multipart_upload(parts).send().await {
        Ok(completed) => Ok(completed.e_tag),
        Err(error) => Err(store.explain("finish storing", key, error)),
    }
}

/// Multipart uploads below a prefix that started before a time and did not complete.
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
            // Some servers ignore the prefix, and others may use the bucket too.
            (begun < before && key.starts_with(prefix)).then_some(Unfinished { key, id })
        }));
        from = (page.next_key_marker, page.next_upload_id_marker);
        if !page.is_truncated.unwrap_or_default() || from.0.is_none() {
            return Ok(found);
        }
    }
}
