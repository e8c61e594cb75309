//! The schedule that starts sweeps. `kiln setup`, and every worker of an installation when it
//! starts, make sure of it; it lives in the engine, so that one sweep runs at a time, whichever worker is there.

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

use crate::{connect::Engine, units};

/// How long a worker's start may be held up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Id of the schedule, and beginning of the ids of its sweeps.
fn id_of(install: &str) -> String {
    format!("kiln-sweep-{install}")
}

/// What is known of the schedule once it is as it should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kept {
    /// It was made.
    Made,
    /// It was there, and was changed.
    Changed,
    /// It was there as it should be.
    WasThere,
    /// No sweeps are wanted: there is none.
    Off,
}

/// What starts sweeps, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Sweeping {
    /// Name of the installation.
    pub(crate) install: String,
    /// Task queue of the workflows.
    pub(crate) queue: String,
    /// Time between two sweeps; none where nothing starts them.
    pub(crate) every: Option<Duration>,
}

/// Makes the schedule, or changes it, so that a sweep starts so often; or removes it. Again, it
/// changes nothing.
pub(crate) async fn ensure(engine: &Engine, sweeping: &Sweeping) -> Result<Kept, ScheduleError> {
    let id = id_of(&sweeping.install);
    match sweeping.every {
        Some(every) => make(&engine.client, &id, &sweeping.queue, every).await,
        None => remove(&engine.client, &id).await.map(|()| Kept::Off),
    }
}

/// The same for a worker, which works without: what goes wrong is only told.
pub(crate) async fn keep(engine: &Engine, sweeping: &Sweeping) {
    let id = id_of(&sweeping.install);
    let why = match tokio::time::timeout(PATIENCE, ensure(engine, sweeping)).await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the engine does not answer".to_owned(),
    };
    tracing::warn!(
        "cannot keep the schedule `{id}`: {why}; run `kiln sweep` from time to time, or let the \
         worker's credentials make schedules"
    );
}

/// Several workers may start at once: one of them makes it, the others find it as it should be.
async fn make(
    client: &Client,
    id: &str,
    queue: &str,
    every: Duration,
) -> Result<Kept, ScheduleError> {
    let options = CreateScheduleOptions::builder()
        .action(action(id, queue))
        .spec(ScheduleSpec::from_interval(every))
        .overlap_policy(ScheduleOverlapPolicy::Skip)
        .build();
    match client.create_schedule(id, options).await {
        Err(ScheduleError::Rpc(status)) if status.code() == Code::AlreadyExists => {
            let handle = client.get_schedule_handle(id);
            let found = handle.describe(RpcOptions::default()).await?;
            match is_as(&found, queue, every) {
                true => Ok(Kept::WasThere),
                false => {
                    change(&handle, id.to_owned(), queue.to_owned(), every).await?;
                    Ok(Kept::Changed)
                }
            }
        }
        made => made.map(|_| Kept::Made),
    }
}

fn action(id: &str, queue: &str) -> ScheduleAction {
    let input = raw(&serde_json::json!({"dryRun": false}));
    ScheduleAction::start_workflow(Sweep::run, input, queue, id)
}

fn is_as(found: &ScheduleDescription, queue: &str, every: Duration) -> bool {
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

/// Who paused it wants it paused: that stays.
async fn change(
    handle: &ScheduleHandle<Client>,
    id: String,
    queue: String,
    every: Duration,
) -> Result<(), ScheduleError> {
    tracing::info!("the schedule `{id}` starts a sweep every {} now", units::time(every));
    let update = move |update: &mut temporalio_client::schedules::ScheduleUpdate| {
        update
            .set_spec(ScheduleSpec::from_interval(every))
            .set_action(action(&id, &queue))
            .set_overlap_policy(ScheduleOverlapPolicy::Skip);
    };
    handle.update(update, RpcOptions::default()).await
}

async fn remove(client: &Client, id: &str) -> Result<(), ScheduleError> {
    let handle = client.get_schedule_handle(id);
    match handle.delete(DeleteScheduleOptions::default()).await {
        Err(ScheduleError::Rpc(status)) if status.code() == Code::NotFound => Ok(()),
        removed => removed,
    }
}
