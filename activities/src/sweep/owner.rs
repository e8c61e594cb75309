//! Asks Temporal about the workflow that made an object.

use std::time::SystemTime;

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::BuildContainer;
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionStatus,
    errors::WorkflowInteractionError,
};

use super::orphan::{Owner, OwnerState};
use crate::error::Unanswered;

/// Whether a workflow runs, and as the same chain of executions.
pub async fn ask(client: &Client, owner: &Owner) -> anyhow::Result<OwnerState> {
    Ok(match described(client, &owner.workflow_id).await? {
        Some(described) => state(owner, &Latest::of(&described)),
        None => OwnerState::Unknown,
    })
}

/// Fails unless Temporal knows the sweep itself. A Temporal server that was restored from an old
/// backup does not know it, nor the builds since: its answers cannot be trusted.
pub async fn check(client: &Client, own_id: &str) -> anyhow::Result<()> {
    let described = described(client, own_id).await?;
    match described.is_some_and(|it| it.status() == WorkflowExecutionStatus::Running) {
        true => Ok(()),
        false => {
            Err(Unanswered("Temporal does not know this sweep; nothing was deleted".into()).into())
        }
    }
}

async fn described(
    client: &Client,
    id: &str,
) -> anyhow::Result<Option<WorkflowExecutionDescription>> {
    let handle = client.get_workflow_handle::<BuildContainer>(id);
    match handle.describe(WorkflowDescribeOptions::default()).await {
        Ok(described) => Ok(Some(described)),
        Err(WorkflowInteractionError::NotFound(_)) => Ok(None),
        Err(error) => {
            let message =
                format!("Temporal does not say whether the workflow `{id}` runs: {error}");
            Err(Unanswered(message).into())
        }
    }
}

/// The latest execution of a workflow id.
struct Latest<'a> {
    running: bool,
    first_run: &'a str,
    run: &'a str,
    started: Option<SystemTime>,
    closed: Option<SystemTime>,
}

impl<'a> Latest<'a> {
    fn of(described: &'a WorkflowExecutionDescription) -> Self {
        let info = described.raw().workflow_execution_info.as_ref();
        Self {
            running: described.status() == WorkflowExecutionStatus::Running,
            first_run: info.map_or("", |info| info.first_run_id.as_str()),
            run: described.run_id(),
            started: described.start_time(),
            closed: described.close_time(),
        }
    }
}

fn state(owner: &Owner, latest: &Latest<'_>) -> OwnerState {
    let is_ours = latest.first_run == owner.run_id || latest.run == owner.run_id;
    // Without the first run id it may be the chain of the owner.
    if latest.running && (is_ours || latest.first_run.is_empty()) {
        return OwnerState::Running;
    }
    // An id has one running execution, so the owner had ended when this one started.
    let ended = if is_ours || !latest.running { latest.closed } else { latest.started };
    let ended = ended.and_then(|time| Timestamp::try_from(time).ok());
    OwnerState::Closed(ended.unwrap_or_else(Timestamp::now))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn an_owner_runs_as_the_same_chain_of_executions() {
        let owner = Owner { workflow_id: "shop/web".to_owned(), run_id: "r1".to_owned() };
        let time = |second| Some(UNIX_EPOCH + Duration::from_secs(second));
        let closed = |second| OwnerState::Closed(Timestamp::from_second(second).unwrap());
        let running = |first_run, run| Latest {
            running: true,
            first_run,
            run,
            started: time(50),
            closed: None,
        };
        let ended =
            |first_run, run| Latest { running: false, closed: time(90), ..running(first_run, run) };
        for (latest, expected) in [
            (running("r1", "r1"), OwnerState::Running),
            // Reset, or gone on as new.
            (running("r1", "r7"), OwnerState::Running),
            // Somebody builds under the same id.
            (running("r2", "r2"), closed(50)),
            (running("", "r7"), OwnerState::Running),
            (ended("r1", "r1"), closed(90)),
            (ended("r2", "r2"), closed(90)),
        ] {
            assert_eq!(state(&owner, &latest), expected, "{} {}", latest.first_run, latest.run);
        }
    }
}
