//! A build that was started.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kilnworks_workflows::BuildApp;
use temporalio_client::{
    Client, WorkflowCancelOptions, WorkflowGetResultOptions, WorkflowHandle, WorkflowQueryOptions,
    WorkflowTerminateOptions, errors::WorkflowGetResultError,
};
use temporalio_common::error::IncomingError;

use crate::engine::End;

/// A build that was started.
#[derive(Clone)]
pub struct Build {
    /// Its workflow id.
    pub id: String,
    /// Its app, which no other build has.
    pub app: String,
    /// How long it would take without a fault.
    pub(super) plain: Duration,
    pub(super) begun: Instant,
    pub(super) handle: Arc<WorkflowHandle<Client, BuildApp>>,
}

impl Build {
    /// Waits for the end, also while Temporal does not answer.
    pub async fn end(&self) -> End {
        loop {
            let error = match self.handle.get_result(WorkflowGetResultOptions::default()).await {
                Ok(output) => return End::Succeeded(output),
                Err(error) => error,
            };
            match error {
                WorkflowGetResultError::Cancelled { .. } => return End::Cancelled,
                WorkflowGetResultError::Failed(error) => return failed(&error),
                WorkflowGetResultError::Rpc(_) | WorkflowGetResultError::Other(_) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                other => return End::Failed(format!("{other}"), Default::default()),
            }
        }
    }

    /// The progress of the build, as text; empty if Temporal does not answer.
    pub(super) async fn progress(&self) -> String {
        let options = WorkflowQueryOptions::default();
        let progress = self.handle.query(BuildApp::progress, (), options).await;
        progress.map(|progress| format!("{progress:?}")).unwrap_or_default()
    }

    /// Cancels it, as a user does.
    pub async fn cancel(&self) {
        self.handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
    }

    /// Terminates it: its clean-up does not run.
    pub(super) async fn terminate(&self) {
        let _ = self.handle.terminate(WorkflowTerminateOptions::default()).await;
    }
}

fn failed(error: &IncomingError) -> End {
    match error {
        IncomingError::Application(app) => {
            let details = app.details().ok().flatten().unwrap_or_default();
            End::Failed(app.type_name().unwrap_or_default().to_owned(), details)
        }
        other => End::Failed(format!("{other}"), Default::default()),
    }
}
