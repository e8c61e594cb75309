//! One repository of a registry.

use std::time::Duration;

use anyhow::Context;
use kilnworks_workflows::{failure::FailureType, names};
use oci_client::{
    Client, Reference, RegistryOperation, errors::OciDistributionError, secrets::RegistryAuth,
};

use super::meaning::{Meaning, meaning, refusal};
use crate::error::fail;

/// The timeout of a small request.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// Tags per page.
const PAGE: usize = 1000;

/// A repository, and the credentials for it. Every operation may be repeated.
#[derive(Clone)]
pub struct Repository {
    name: String,
    pub(super) whole: Reference,
    pub(super) client: Client,
    pub(super) auth: RegistryAuth,
}

impl Repository {
    pub(super) fn open(name: &str, client: Client, auth: RegistryAuth) -> anyhow::Result<Self> {
        let whole: Reference =
            name.parse().with_context(|| format!("`{name}` is not the name of a repository"))?;
        Ok(Self { name: name.to_owned(), whole, client, auth })
    }

    /// `host/path`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The reference of a manifest in this repository.
    pub fn reference(&self, digest: &str) -> String {
        names::reference(&self.name, digest)
    }

    /// A tag or digest in this repository.
    pub(super) fn at(&self, reference: &str) -> Reference {
        let registry = self.whole.registry().to_owned();
        let repository = self.whole.repository().to_owned();
        match reference.contains(':') {
            true => Reference::with_digest(registry, repository, reference.to_owned()),
            false => Reference::with_tag(registry, repository, reference.to_owned()),
        }
    }

    pub(super) fn shares_registry(&self, other: &Self) -> bool {
        self.whole.resolve_registry() == other.whole.resolve_registry()
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.shares_registry(other) && self.whole.repository() == other.whole.repository()
    }

    /// All tags, sorted by their bytes; none if the repository does not exist.
    ///
    /// The next page starts after the last tag. Registries whose pages need a token of their own, such as
    /// Quay, return the first page only.
    pub async fn tags(&self) -> anyhow::Result<Vec<String>> {
        let mut tags: Vec<String> = Vec::new();
        loop {
            let last = tags.last().map(String::as_str);
            let listed = async {
                match self.client.list_tags(&self.whole, &self.auth, Some(PAGE), last).await {
                    Ok(page) => Ok(page.tags),
                    // Go writes an empty list like this.
                    Err(OciDistributionError::JsonError(error)) if is_null(&error) => Ok(vec![]),
                    Err(error) => Err(error),
                }
            };
            let what = format!("cannot list the tags of `{}`", self.name);
            let page = self.ask(&what, ANSWER, listed).await?.unwrap_or_default();
            let seen = tags.len();
            // A page may be short, and a registry without pages returns all tags each time.
            tags.extend(page);
            tags.sort_unstable();
            tags.dedup();
            if tags.len() == seen {
                return Ok(tags);
            }
        }
    }

    /// Reads something; none if it does not exist.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        limit: Duration,
        request: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> anyhow::Result<Option<T>> {
        match self.answer(what, limit, request).await? {
            Ok(found) => Ok(Some(found)),
            Err(error) => match meaning(&error) {
                Meaning::Missing => Ok(None),
                meaning => Err(self.failed(what, meaning, error, RegistryOperation::Pull).await),
            },
        }
    }

    /// Writes something.
    pub(super) async fn send<T>(
        &self,
        what: &str,
        limit: Duration,
        request: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> anyhow::Result<T> {
        match self.answer(what, limit, request).await? {
            Ok(done) => Ok(done),
            Err(error) => {
                let meaning = refusal(&error);
                Err(self.failed(what, meaning, error, RegistryOperation::Push).await)
            }
        }
    }

    async fn answer<T, E>(
        &self,
        what: &str,
        limit: Duration,
        request: impl Future<Output = Result<T, E>>,
    ) -> anyhow::Result<Result<T, E>> {
        self.client.store_auth_if_needed(self.whole.resolve_registry(), &self.auth).await;
        tokio::time::timeout(limit, request).await.map_err(|_| {
            let message = format!("{what}: no answer within {} s", limit.as_secs());
            fail(FailureType::RegistryUnavailable, message)
        })
    }

    /// The failure of a request. If the client gets no token, it asks without one and is refused. So after
    /// a refusal this asks the token server again, which may only have been down.
    async fn failed(
        &self,
        what: &str,
        meaning: Meaning,
        error: OciDistributionError,
        operation: RegistryOperation,
    ) -> anyhow::Error {
        let Meaning::Failed(kind) = meaning else {
            return anyhow::Error::new(error).context(what.to_owned());
        };
        if kind == FailureType::RegistryDenied
            && let Err(cause) = self.client.auth(&self.whole, &self.auth, operation).await
            && let Meaning::Failed(kind) = self::meaning(&cause)
        {
            return fail(kind, format!("{what}: {cause}"));
        }
        fail(kind, format!("{what}: {error}"))
    }
}

fn is_null(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("invalid type: null")
}
