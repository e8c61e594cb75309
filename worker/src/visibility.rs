//! The engine's list of builds. It is eventually consistent: what has just begun or ended may be
//! missing or stand there as it was.

use futures::TryStreamExt;
use temporalio_client::{
    RetryOptions, RpcOptions, WorkflowExecution, WorkflowListOptions, errors::ClientError,
};

use crate::{
    connect::{Engine, refused},
    end::Error,
    namespace,
};

/// The builds that a list filter names, at most so many: those that run first, then the last that
/// ended.
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

/// One try, for an answer that is only a help.
pub(crate) fn quickly(limit: std::time::Duration) -> RpcOptions {
    let mut rpc = RpcOptions::default();
    rpc.timeout = Some(limit);
    rpc.retry_options = Some(RetryOptions::no_retries());
    rpc
}

/// A text as a list filter has it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quote_ends_no_text() {
        assert_eq!(quoted("shop"), "'shop'");
        assert_eq!(quoted(r"a' OR \'b"), r"'a\' OR \\\'b'");
    }
}
