//! The schedule that starts sweeps. `kiln setup` and every worker of the main queue create or update it.
//! The schedule is in the engine, so that only one sweep runs at a time.

use std::time::Duration;

use kilnworks_workflows::{Sweep, build::raw};
use serde::Serialize;
use temporalio_client::{
    Client, RpcOptions,
    schedules::{
        CreateScheduleOptions, DeleteScheduleOptions, ScheduleAction, ScheduleDescription,
        ScheduleDescriptionAction, ScheduleError, ScheduleHandle, ScheduleOverlapPolicy,
        ScheduleSpec,
    },
    tonic::Code,
};

use crate::{engine::Engine, output::units, settings::Sweeping};

/// How long the schedule may delay the start of a worker.
const PATIENCE: Duration = Duration::from_secs(10);

/// Id of the schedule, and prefix of the ids of its sweeps.
fn id_of(install: &str) -> String {
    format!("kiln-sweep-{install}")
}

/// What `ensure` did.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ScheduleState {
    /// The schedule was created.
    Created,
    /// The schedule had other settings and was updated.
    Updated,
    /// The schedule existed with the same settings.
    Unchanged,
    /// Sweeps are off: there is no schedule.
    Off,
}

/// Creates, updates or deletes the schedule. It is idempotent.
pub(crate) async fn ensure(
    engine: &Engine,
    sweeping: &Sweeping,
) -> Result<ScheduleState, ScheduleError> {
    let id = id_of(&sweeping.install);
    match sweeping.every {
        Some(every) => create(&engine.client, &id, &sweeping.queue, every).await,
        None => delete(&engine.client, &id).await.map(|()| ScheduleState::Off),
    }
}

/// The same for a worker, which can run without the schedule, so a failure is only a warning.
pub(crate) async fn try_ensure(engine: &Engine, sweeping: &Sweeping) {
    let id = id_of(&sweeping.install);
    let why = match tokio::time::timeout(PATIENCE, ensure(engine, sweeping)).await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "Temporal does not answer".to_owned(),
    };
    tracing::warn!(
        "cannot create or update the schedule `{id}`: {why}; run `kiln sweep` regularly, or allow the \
         worker's credentials to create schedules"
    );
}

/// Of several workers that start at the same time, one creates the schedule and the others find it.
async fn create(
    client: &Client,
    id: &str,
    queue: &str,
    every: Duration,
) -> Result<ScheduleState, ScheduleError> {
    let options = CreateScheduleOptions::builder()
        .action(action(id, queue))
        .spec(ScheduleSpec::from_interval(every))
        .overlap_policy(ScheduleOverlapPolicy::Skip)
        .build();
    match client.create_schedule(id, options).await {
        Err(ScheduleError::Rpc(status)) if status.code() == Code::AlreadyExists => {
            let handle = client.get_schedule_handle(id);
            let found = handle.describe(RpcOptions::default()).await?;
            match has_settings(&found, queue, every) {
                true => Ok(ScheduleState::Unchanged),
                false => {
                    update(&handle, id.to_owned(), queue.to_owned(), every).await?;
                    Ok(ScheduleState::Updated)
                }
            }
        }
        created => created.map(|_| ScheduleState::Created),
    }
}

fn action(id: &str, queue: &str) -> ScheduleAction {
    let input = raw(&serde_json::json!({"dryRun": false}));
    ScheduleAction::start_workflow(Sweep::run, input, queue, id)
}

fn has_settings(found: &ScheduleDescription, queue: &str, every: Duration) -> bool {
    let ScheduleDescriptionAction::StartWorkflow(action) = found.action() else {
        return false;
    };
    let spec = found.raw().schedule.as_ref().and_then(|schedule| schedule.spec.as_ref());
    let intervals = spec.map(|spec| spec.interval.as_slice()).unwrap_or_default();
    let interval = match intervals {
        [one] => one.interval.and_then(|time| Duration::try_from(time).ok()),
        _ => None,
    };
    action.task_queue() == queue && interval == Some(every)
}

/// Updates the schedule. A paused schedule stays paused.
async fn update(
    handle: &ScheduleHandle<Client>,
    id: String,
    queue: String,
    every: Duration,
) -> Result<(), ScheduleError> {
    tracing::info!("updated the schedule `{id}`: it starts a sweep every {}", units::time(every));
    let update = move |update: &mut temporalio_client::schedules::ScheduleUpdate| {
        update
            .set_spec(ScheduleSpec::from_interval(every))
            .set_action(action(&id, &queue))
            .set_overlap_policy(ScheduleOverlapPolicy::Skip);
    };
    handle.update(update, RpcOptions::default()).await
}

async fn delete(client: &Client, id: &str) -> Result<(), ScheduleError> {
    let handle = client.get_schedule_handle(id);
    match handle.delete(DeleteScheduleOptions::default()).await {
        Err(ScheduleError::Rpc(status)) if status.code() == Code::NotFound => Ok(()),
        deleted => deleted,
    }
}
