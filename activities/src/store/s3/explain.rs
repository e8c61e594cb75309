//! Errors of the SDK in words that say what to check.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use kilnworks_workflows::failure::FailureType;

use super::S3Store;
use crate::error::fail;

impl S3Store {
    /// The SDK's error as a failure that says what to check.
    pub(super) fn explain<E>(&self, what: &str, key: &str, error: SdkError<E>) -> anyhow::Error
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
}

/// An error and its causes in one line. The SDK's own long form repeats the server's whole answer.
pub(in crate::store) fn chain(error: &dyn std::error::Error) -> String {
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

/// How the operator can fix a refusal.
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
