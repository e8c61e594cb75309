//! One part of an object: sent from a file, or copied from another object.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use anyhow::Context;
use aws_sdk_s3::{
    config::{Config, RequestChecksumCalculation},
    primitives::{ByteStream, Length},
    types::{ChecksumAlgorithm, CompletedPart},
};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use md5::{Digest, Md5};

use super::{Origin, Piece, S3Store};
use crate::blocking::blocking;

/// An object that is put in parts.
#[derive(Clone, Copy)]
pub(in crate::store::s3) struct Upload<'a> {
    pub(in crate::store::s3) store: &'a S3Store,
    pub(in crate::store::s3) key: &'a str,
    pub(in crate::store::s3) file: &'a Path,
    pub(in crate::store::s3) origin: Option<&'a Origin>,
}

impl Upload<'_> {
    /// Puts one part.
    pub(super) async fn part(
        &self,
        id: &str,
        number: i32,
        part: Piece,
    ) -> anyhow::Result<CompletedPart> {
        match part {
            Piece::Own(range) => self.send(id, number, range).await,
            Piece::Copied(range) => self.copy(id, number, range).await,
        }
    }

    /// The algorithm that checks the object as the sum of its parts. There is none if some parts are
    /// copied: some servers do not return the checksum of a copied range.
    pub(super) fn checksum(&self) -> Option<ChecksumAlgorithm> {
        self.origin.is_none().then_some(ChecksumAlgorithm::Crc32)
    }

    async fn send(
        &self,
        id: &str,
        number: i32,
        bytes: Range<u64>,
    ) -> anyhow::Result<CompletedPart> {
        let body = ByteStream::read_from()
            .path(self.file)
            .offset(bytes.start)
            .length(Length::Exact(bytes.end - bytes.start))
            .build()
            .await
            .context("cannot read what is to be stored")?;
        let request = self.store.client.upload_part().bucket(&self.store.bucket.name);
        let request = request
            .key(self.key)
            .upload_id(id)
            .part_number(number)
            .set_checksum_algorithm(self.checksum())
            .body(body);
        let sent = match self.checksum() {
            Some(_) => request.send().await,
            // By default the SDK would send a checksum, which this upload does not have.
            None => {
                let plain = Config::builder()
                    .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
                let request = request.content_md5(md5(self.file, bytes).await?);
                request.customize().config_override(plain).send().await
            }
        };
        let sent = sent.map_err(|error| self.store.explain("store a part of", self.key, error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32.filter(|_| self.checksum().is_some()))
            .build())
    }

    /// Lets the store copy a range, if the origin still has its version.
    async fn copy(
        &self,
        id: &str,
        number: i32,
        bytes: Range<u64>,
    ) -> anyhow::Result<CompletedPart> {
        let origin = self.origin.context("there is nothing to copy from")?;
        let bucket = &self.store.bucket.name;
        let request = self.store.client.upload_part_copy().bucket(bucket).key(self.key);
        let copied = request
            .upload_id(id)
            .part_number(number)
            .copy_source(format!("{bucket}/{}", origin.key))
            .copy_source_range(format!("bytes={}-{}", bytes.start, bytes.end - 1))
            .copy_source_if_match(&origin.version)
            .send()
            .await
            .map_err(|error| self.store.explain("copy a part of", &origin.key, error))?;
        let copied = copied.copy_part_result.context("the store does not say what it copied")?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(copied.e_tag).build())
    }
}

/// MD5 of a part of a file. S3 verifies it.
async fn md5(file: &Path, bytes: Range<u64>) -> anyhow::Result<String> {
    let file = file.to_owned();
    let summed = blocking(move |_| {
        let (mut hash, mut file) = (Md5::new(), File::open(file)?);
        file.seek(SeekFrom::Start(bytes.start))?;
        let (mut part, mut some) = (file.take(bytes.end - bytes.start), vec![0; 64 * 1024]);
        loop {
            match part.read(&mut some)? {
                0 => break,
                count => hash.update(&some[..count]),
            }
        }
        Ok(BASE64.encode(hash.finalize()))
    });
    summed.await.context("cannot read what is to be stored")
}
