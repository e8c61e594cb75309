//! `kiln schedule trigger`, `pause`, `unpause`, `backfill` and `delete`.

use std::time::{Duration, Instant};

use temporalio_client::schedules::{
    BackfillScheduleOptions, DeleteScheduleOptions, PauseScheduleOptions, ScheduleBackfill,
    ScheduleDescription, ScheduleOverlapPolicy, TriggerScheduleOptions, UnpauseScheduleOptions,
};

use super::handle::Schedule;
use crate::{
    cli::{BackfillArgs, DeleteArgs, PauseArgs, TriggerArgs},
    engine::Engine,
    output::{Error, Exit, stdout},
};

/// How long a triggered run may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two polls.
const PAUSE: Duration = Duration::from_millis(200);

/// Triggers a run and prints its id.
pub(super) async fn trigger(engine: &Engine, args: TriggerArgs) -> Result<(), Error> {
    let (schedule, before) = Schedule::find(engine, &args.name).await?;
    let overlap = args.overlap.map_or(ScheduleOverlapPolicy::Unspecified, Into::into);
    let asked = schedule.handle.trigger(overlap, TriggerScheduleOptions::default()).await;
    schedule.checked(asked)?;
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        let now = schedule.describe().await?;
        match triggered(&before, &now) {
            Some(Triggered::Started(id)) => return stdout::print(&id),
            Some(Triggered::Skipped) => return Err(skipped(&args.name, &now)),
            Some(Triggered::Waits) => {
                eprintln!("the run starts when the previous build has ended");
                return Ok(());
            }
            None => tokio::time::sleep(PAUSE).await,
        }
    }
    let what = format!("Temporal has not started a run of `{}` yet", args.name);
    Err(Error::new(Exit::Failed, what).hint(
        "`kiln schedule describe` shows the runs; Temporal starts only one run per second, as two \
         would have the same id",
    ))
}

/// The result of a trigger.
#[derive(Debug, PartialEq)]
enum Triggered {
    Started(String),
    Skipped,
    Waits,
}

fn triggered(before: &ScheduleDescription, now: &ScheduleDescription) -> Option<Triggered> {
    let waiting = |it: &ScheduleDescription| it.raw().info.as_ref().map_or(0, |it| it.buffer_size);
    if now.action_count() > before.action_count() {
        return now.recent_actions().pop().map(|run| Triggered::Started(run.workflow_id));
    }
    if now.overlap_skipped() > before.overlap_skipped() {
        return Some(Triggered::Skipped);
    }
    // A buffered run without a running build is about to start.
    let is_buffered = waiting(now) > waiting(before) && !now.running_actions().is_empty();
    is_buffered.then_some(Triggered::Waits)
}

fn skipped(name: &str, now: &ScheduleDescription) -> Error {
    let running = now.running_actions().into_iter().next().map(|run| run.workflow_id);
    let running = running.map(|id| format!(": `{id}` is still running")).unwrap_or_default();
    Error::new(Exit::Failed, format!("the run of `{name}` is skipped{running}")).hint(
        "`--overlap allow-all` starts it at once, `--overlap buffer-one` after the running build",
    )
}

/// Pauses a schedule.
pub(super) async fn pause(engine: &Engine, args: PauseArgs) -> Result<(), Error> {
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    let note = args.note.or_else(|| Some("by kiln schedule pause".to_owned()));
    schedule.checked(schedule.handle.pause(note, PauseScheduleOptions::default()).await)?;
    eprintln!("paused: `{}`", args.name);
    Ok(())
}

/// Resumes a schedule.
pub(super) async fn unpause(engine: &Engine, args: PauseArgs) -> Result<(), Error> {
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    let note = args.note.or_else(|| Some("by kiln schedule unpause".to_owned()));
    schedule.checked(schedule.handle.unpause(note, UnpauseScheduleOptions::default()).await)?;
    eprintln!("resumed: `{}`", args.name);
    Ok(())
}

/// Starts the runs of a past period.
pub(super) async fn backfill(engine: &Engine, args: BackfillArgs) -> Result<(), Error> {
    if args.from > args.to {
        return Err(Error::input("`--from` is later than `--to`"));
    }
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    let time = ScheduleBackfill::new(args.from, args.to).overlap_policy(args.overlap.into());
    let options = BackfillScheduleOptions::default();
    schedule.checked(schedule.handle.backfill([time.build()], options).await)?;
    eprintln!("requested the runs; `kiln schedule describe {}` shows them", args.name);
    Ok(())
}

/// Deletes a schedule.
pub(super) async fn delete(engine: &Engine, args: DeleteArgs) -> Result<(), Error> {
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    schedule.checked(schedule.handle.delete(DeleteScheduleOptions::default()).await)?;
    eprintln!("deleted: `{}`", args.name);
    Ok(())
}
