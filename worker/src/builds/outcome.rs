//! The outcome of a build or a sweep.

use std::time::{Duration, Instant};

use kilnworks_workflows::{
    BuildApp,
    failure::{Failure, FailureType},
    output::{self, BuildOutput, FailureDetails},
};
use serde::Serialize;
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowHandle, errors::WorkflowGetResultError,
};
use temporalio_common::{
    HasWorkflowDefinition, data_converters::TemporalDeserializable, error::IncomingError,
};

use crate::{
    engine::{Engine, is_temporary, refused},
    output::{Error, Exit, OutputFormat, document, failures, stdout, tables},
};

/// A handle of a build. All three workflow types have the same result and the same queries, so one
/// type of handle serves them all.
pub(crate) type Build = WorkflowHandle<Client, BuildApp>;

/// The outcome of a build or a sweep.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome<T = BuildOutput> {
    /// It succeeded: every image is in its registry.
    Succeeded(Box<T>),
    /// It failed.
    Failed(Box<FailureDetails>),
    /// It was cancelled.
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

    /// Prints failures on stderr.
    pub(crate) fn complain(&self, id: &str) {
        match self {
            Self::Succeeded(_) => {}
            Self::Failed(details) => eprint!("{}", failures::render(&details.failures)),
            Self::Cancelled => eprintln!("cancelled: `{id}`"),
        }
    }
}

impl Outcome {
    /// Prints the result on stdout and failures on stderr.
    pub(crate) fn show(&self, id: &str, output: OutputFormat) -> Result<(), Error> {
        match (output, self) {
            (OutputFormat::Json | OutputFormat::Yaml, Self::Cancelled) => {}
            (OutputFormat::Json, _) => stdout::json(self)?,
            (OutputFormat::Yaml, _) => document::yaml(self)?,
            (OutputFormat::Table, Self::Succeeded(output)) => {
                stdout::print(&tables::images(&output.images))?;
            }
            (OutputFormat::Table, Self::Failed(details)) if !details.images.is_empty() => {
                stdout::print(&tables::images(&details.images))?;
            }
            (OutputFormat::Table, _) => {}
        }
        if let Self::Succeeded(output) = self
            && let Some(package) = &output.package
        {
            let word = match output.outcome {
                output::Outcome::Succeeded => "delivered",
                output::Outcome::Unchanged => "nothing changed since",
            };
            eprintln!("{word} {}", package.reference);
        }
        self.complain(id);
        Ok(())
    }
}

/// How long the engine may be unavailable. The build itself continues.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for the end of a build or a sweep, across restarts of the engine.
pub(crate) async fn wait<W>(
    engine: &Engine,
    build: &WorkflowHandle<Client, W>,
) -> Result<Outcome<W::Output>, Error>
where
    W: HasWorkflowDefinition,
    W::Output: TemporalDeserializable,
{
    let mut unavailable_since = None;
    loop {
        let asked = Instant::now();
        let ended = build.get_result(WorkflowGetResultOptions::default()).await;
        let status = match read(ended, &build.info().workflow_id)? {
            Ended::As(outcome) => return Ok(outcome),
            Ended::Unknown(status) => status,
        };
        // A call that lasted this long was a long poll, so the engine was available.
        if asked.elapsed() > Duration::from_secs(60) {
            unavailable_since = None;
        }
        let since = *unavailable_since.get_or_insert(asked);
        if !is_temporary(&status) || since.elapsed() > PATIENCE {
            return Err(refused(&status, &engine.address).into());
        }
        tracing::warn!("Temporal does not answer: {}", status.message());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

enum Ended<T> {
    As(Outcome<T>),
    /// The engine did not answer.
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
        Err(WorkflowGetResultError::NotFound(_)) => {
            return Err(Error::input(format!("there is no build `{id}`"))
                .hint("`kiln ls` lists the builds"));
        }
        Err(WorkflowGetResultError::Rpc(status)) => return Ok(Ended::Unknown(status)),
        Err(other) => return Err(anyhow::Error::from(other).into()),
    }))
}

/// The failures of a failed workflow. A failure without our details still has its message.
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
    use crate::output::Exit;

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
