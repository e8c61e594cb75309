//! The engine's list of builds. The list is eventually consistent: it may miss the latest changes.

use futures::TryStreamExt;
use temporalio_client::{
    RetryOptions, RpcOptions, WorkflowExecution, WorkflowListOptions, errors::ClientError,
};

use super::{Engine, namespace, refusal::refused};
use crate::output::Error;

/// The builds that match a filter, at most `limit`: running builds first, then the most recent.
pub(crate) async fn list(
    engine: &Engine,
    filter: String,
    limit: usize,
    rpc: RpcOptions,
) -> Result<Vec<WorkflowExecution>, Error> {
    let options = WorkflowListOptions::builder().limit(limit).rpc_options(rpc).build();
    let found = engine.client.list_workflows(filter, options).try_collect().await;
    found.map_err(|error| match error {
        ClientError::Rpc(status) => namespace::unready(&status, engine)
            .unwrap_or_else(|| refused(&status, &engine.address).into()),
        other => anyhow::Error::from(other).into(),
    })
}

/// Options for one attempt with this timeout.
pub(crate) fn quickly(limit: std::time::Duration) -> RpcOptions {
    let mut rpc = RpcOptions::default();
    rpc.timeout = Some(limit);
    rpc.retry_options = Some(RetryOptions::no_retries());
    rpc
}

/// A quoted text for a list filter.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_are_escaped() {
        assert_eq!(quoted("shop"), "'shop'");
        assert_eq!(quoted(r"a' OR \'b"), r"'a\' OR \\\'b'");
    }
}
