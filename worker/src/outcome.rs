//! How a build ended, as the engine tells it.

use std::time::{Duration, Instant};

use kilnworks_workflows::{
    BuildApp,
    failure::{Failure, FailureDetails, FailureType},
    output::{self, BuildOutput},
};
use serde::Serialize;
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowHandle, errors::WorkflowGetResultError,
};
use temporalio_common::{
    HasWorkflowDefinition, data_converters::TemporalDeserializable, error::IncomingError,
};

use crate::{
    cli::Output,
    connect::{Engine, refused, waiting_mends},
    document,
    end::{Error, Exit},
    failures, table,
};

/// A build in the engine. All three workflow types give the same result and answer the same
/// queries, so one handle serves them all.
pub(crate) type Build = WorkflowHandle<Client, BuildApp>;

/// How a build ended.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome<T = BuildOutput> {
    /// What was asked for is done: every image is in its registry.
    Succeeded(Box<T>),
    /// Something failed.
    Failed(Box<FailureDetails>),
    /// Someone cancelled it.
    Cancelled,
}

impl<T> Outcome<T> {
    /// The exit code of a command that waited for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Succeeded(_) => Exit::Success,
            Self::Failed(_) => Exit::Failed,
            Self::Cancelled => Exit::Cancelled,
        }
    }

    /// Puts what went wrong on stderr.
    pub(crate) fn complain(&self, id: &str) {
        match self {
            Self::Succeeded(_) => {}
            Self::Failed(details) => eprint!("{}", failures::render(&details.failures)),
            Self::Cancelled => eprintln!("cancelled: `{id}`"),
        }
    }
}

impl Outcome {
    /// Puts the result on stdout, and what went wrong on stderr.
    pub(crate) fn show(&self, id: &str, output: Output) -> Result<(), Error> {
        match (output, self) {
            (Output::Json | Output::Yaml, Self::Cancelled) => {}
            (Output::Json, _) => table::json(self)?,
            (Output::Yaml, _) => document::yaml(self)?,
            (Output::Table, Self::Succeeded(output)) => {
                table::print(&table::images(&output.images))?;
            }
            (Output::Table, Self::Failed(details)) if !details.images.is_empty() => {
                table::print(&table::images(&details.images))?;
            }
            (Output::Table, _) => {}
        }
        if let Self::Succeeded(output) = self
            && let Some(package) = &output.package
        {
            let told = match output.outcome {
                output::Outcome::Succeeded => "delivered",
                output::Outcome::Unchanged => "nothing changed since",
            };
            eprintln!("{told} {}", package.reference);
        }
        self.complain(id);
        Ok(())
    }
}

/// How long a watcher bears with an engine that does not answer. The build itself goes on.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for the end of a build or a sweep, through restarts of the engine.
pub(crate) async fn wait<W>(
    engine: &Engine,
    build: &WorkflowHandle<Client, W>,
) -> Result<Outcome<W::Output>, Error>
where
    W: HasWorkflowDefinition,
    W::Output: TemporalDeserializable,
{
    let mut silent_since = None;
    loop {
        let asked = Instant::now();
        let ended = build.get_result(WorkflowGetResultOptions::default()).await;
        let status = match read(ended, &build.info().workflow_id)? {
            Ended::As(outcome) => return Ok(outcome),
            Ended::Unknown(status) => status,
        };
        // A call that was held for a while was answered: the engine was there.
        if asked.elapsed() > Duration::from_secs(60) {
            silent_since = None;
        }
        let since = *silent_since.get_or_insert(asked);
        if !waiting_mends(&status) || since.elapsed() > PATIENCE {
            return Err(refused(&status, &engine.address).into());
        }
        tracing::warn!("the engine does not answer: {}", status.message());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

enum Ended<T> {
    As(Outcome<T>),
    /// The engine did not say.
    Unknown(temporalio_client::tonic::Status),
}

fn read<T>(ended: Result<T, WorkflowGetResultError>, id: &str) -> Result<Ended<T>, Error> {
    let failed = |kind, message: &str| Outcome::Failed(Box::new(details_of(kind, message)));
    Ok(Ended::As(match ended {
        Ok(output) => Outcome::Succeeded(Box::new(output)),
        Err(WorkflowGetResultError::Failed(error)) => Outcome::Failed(Box::new(decode(&error))),
        Err(WorkflowGetResultError::Cancelled { .. }) => Outcome::Cancelled,
        Err(WorkflowGetResultError::Terminated { .. }) => {
            failed(FailureType::Internal, "its workflow was terminated")
        }
        Err(WorkflowGetResultError::TimedOut) => {
            failed(FailureType::DeadlineExceeded, "its workflow timed out")
        }
        Err(WorkflowGetResultError::NotFound(_)) => return Err(not_found(id)),
        Err(WorkflowGetResultError::Rpc(status)) => return Ok(Ended::Unknown(status)),
        Err(other) => return Err(anyhow::Error::from(other).into()),
    }))
}

/// No such build.
fn not_found(id: &str) -> Error {
    Error::input(format!("there is no build `{id}`")).hint("`kiln ls` lists the builds")
}

/// What a failed workflow tells. One that is not ours to begin with tells at least its message.
fn decode(error: &IncomingError) -> FailureDetails {
    let IncomingError::Application(app) = error else {
        return details_of(FailureType::Internal, &error.failure().message);
    };
    if let Ok(Some(details)) = app.details::<FailureDetails>() {
        return details;
    }
    let named = serde_json::json!(app.type_name().unwrap_or_default());
    let kind = serde_json::from_value(named).unwrap_or(FailureType::Internal);
    details_of(kind, &error.failure().message)
}

fn details_of(kind: FailureType, message: &str) -> FailureDetails {
    FailureDetails { failures: vec![Failure::new(kind, message)], images: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, output};
    use crate::end::Exit;

    #[test]
    fn exit_codes_follow_the_outcome() {
        let output = output::BuildOutput {
            app: "shop".to_owned(),
            version: None,
            outcome: output::Outcome::Succeeded,
            images: Vec::new(),
            package: None,
        };
        let failed = Outcome::<()>::Failed(Box::default());
        assert_eq!(Outcome::Succeeded(Box::new(output)).exit(), Exit::Success);
        assert_eq!(failed.exit(), Exit::Failed);
        assert_eq!(Outcome::<()>::Cancelled.exit(), Exit::Cancelled);
    }
}
