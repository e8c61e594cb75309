//! A part of an object: sent, or copied from another object.

use std::{ops::Range, path::Path};

use anyhow::Context;
use aws_sdk_s3::{
    primitives::{ByteStream, Length},
    types::{ChecksumAlgorithm, CompletedPart},
};

use super::{Origin, Piece, S3Store};

/// What is put in parts.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    pub(super) store: &'a S3Store,
    pub(super) key: &'a str,
    pub(super) file: &'a Path,
    pub(super) origin: Option<&'a Origin>,
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
        let sent = request
            .key(self.key)
            .upload_id(id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(body)
            .send()
            .await
            .map_err(|error| self.store.explain("store a part of", self.key, error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .build())
    }

    /// The store copies it by itself, from the very object that is meant.
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
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(copied.e_tag)
            .set_checksum_crc32(copied.checksum_crc32)
            .build())
    }
}
