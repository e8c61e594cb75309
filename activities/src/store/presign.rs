//! Signed addresses. Whoever has one can read one object of a bucket for a while, and nothing else.

use std::time::Duration;

use anyhow::Context;
use aws_sdk_s3::{
    Client,
    config::{Builder, ResponseChecksumValidation},
    presigning::PresigningConfig,
};
use kilnworks_workflows::failure::FailureType;

use crate::error::fail;

/// The longest validity that S3 accepts: a week.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// A client for signing. By default the SDK adds a header to each read and signs the header with the
/// address, but the reader of the address does not send that header.
pub(super) fn client(config: Builder) -> Client {
    let validation = ResponseChecksumValidation::WhenRequired;
    Client::from_conf(config.response_checksum_validation(validation).build())
}

/// Signs the address of one object.
#[derive(Clone, Debug)]
pub struct Signer {
    client: Client,
    bucket: String,
    key: String,
}

impl Signer {
    /// A signer for an object of a bucket.
    pub(super) fn new(client: &Client, bucket: &str, key: &str) -> Self {
        Self { client: client.clone(), bucket: bucket.to_owned(), key: key.to_owned() }
    }

    /// An address that is valid for this long, at most for a week. It expires earlier if it is signed
    /// with temporary credentials that expire earlier. Signing sends no request.
    pub async fn url(&self, life: Duration) -> anyhow::Result<String> {
        let life = PresigningConfig::expires_in(life.min(LONGEST));
        let life = life.context("a life of an address that nobody can sign")?;
        let request = self.client.get_object().bucket(&self.bucket).key(&self.key);
        match request.presigned(life).await {
            Ok(request) => Ok(request.uri().to_owned()),
            Err(error) => {
                let error = super::s3::chain(&error);
                let message = format!("cannot sign an address of `{}`: {error}", self.key);
                Err(fail(FailureType::StoreUnavailable, message))
            }
        }
    }
}
