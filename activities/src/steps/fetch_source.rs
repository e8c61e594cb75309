//! `fetch_source`: the commit of a revision, and that commit in this worker's cache.

use kilnworks_workflows::steps::{FetchInput, Fetched};

use crate::source::Sources;

/// Finds the commit of a revision and fetches it. It writes nothing outside the cache.
pub async fn fetch_source(sources: &Sources, input: FetchInput) -> anyhow::Result<Fetched> {
    Ok(Fetched { commit: sources.fetch(&input.source).await? })
}
