//! What is done with a schedule that is there.

use std::time::{Duration, Instant};

use temporalio_client::schedules::{
    BackfillScheduleOptions, DeleteScheduleOptions, PauseScheduleOptions, ScheduleBackfill,
    ScheduleDescription, ScheduleOverlapPolicy, TriggerScheduleOptions, UnpauseScheduleOptions,
};

use super::Schedule;
use crate::{
    cli::{BackfillArgs, DeleteArgs, PauseArgs, TriggerArgs},
    connect::Engine,
    end::{Error, Exit},
    table,
};

/// How long a run that was asked for may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts a run, and prints its id.
pub(super) async fn trigger(engine: &Engine, args: TriggerArgs) -> Result<(), Error> {
    let (schedule, before) = Schedule::find(engine, &args.name).await?;
    let overlap = args.overlap.map_or(ScheduleOverlapPolicy::Unspecified, Into::into);
    let asked = schedule.handle.trigger(overlap, TriggerScheduleOptions::default()).await;
    schedule.done(asked)?;
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        let now = schedule.look().await?;
        match came(&before, &now) {
            Some(Came::Started(id)) => return table::print(&id),
            Some(Came::Skipped) => return Err(skipped(&args.name, &now)),
            Some(Came::Waits) => {
                eprintln!("it starts when the build before it has ended");
                return Ok(());
            }
            None => tokio::time::sleep(PAUSE).await,
        }
    }
    let what = format!("the engine has not started a run of `{}` yet", args.name);
    Err(Error::new(Exit::Failed, what).hint(
        "`kiln schedule describe` shows whether it does; of two runs in one second the engine \
         starts one, as they have one id",
    ))
}

/// What came of a run that was asked for.
#[derive(Debug, PartialEq)]
enum Came {
    Started(String),
    Skipped,
    Waits,
}

fn came(before: &ScheduleDescription, now: &ScheduleDescription) -> Option<Came> {
    let waiting = |it: &ScheduleDescription| it.raw().info.as_ref().map_or(0, |it| it.buffer_size);
    if now.action_count() > before.action_count() {
        return now.recent_actions().pop().map(|run| Came::Started(run.workflow_id));
    }
    if now.overlap_skipped() > before.overlap_skipped() {
        return Some(Came::Skipped);
    }
    // Whatever waits behind nothing is about to start.
    let held = waiting(now) > waiting(before) && !now.running_actions().is_empty();
    held.then_some(Came::Waits)
}

fn skipped(name: &str, now: &ScheduleDescription) -> Error {
    let running = now.running_actions().into_iter().next().map(|run| run.workflow_id);
    let running = running.map(|id| format!(": `{id}` still builds")).unwrap_or_default();
    Error::new(Exit::Failed, format!("the run of `{name}` is left out{running}"))
        .hint("`--overlap allow-all` starts it beside that, `--overlap buffer-one` after it")
}

/// Lets a schedule start nothing more by itself.
pub(super) async fn pause(engine: &Engine, args: PauseArgs) -> Result<(), Error> {
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    let note = args.note.unwrap_or_else(|| "by kiln schedule pause".to_owned());
    schedule.done(schedule.handle.pause(Some(note), PauseScheduleOptions::default()).await)?;
    eprintln!("paused: `{}`", args.name);
    Ok(())
}

/// Lets it go on.
pub(super) async fn unpause(engine: &Engine, args: PauseArgs) -> Result<(), Error> {
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    let note = args.note.unwrap_or_else(|| "by kiln schedule unpause".to_owned());
    schedule.done(schedule.handle.unpause(Some(note), UnpauseScheduleOptions::default()).await)?;
    eprintln!("goes on: `{}`", args.name);
    Ok(())
}

/// Starts the runs of a time that is over.
pub(super) async fn backfill(engine: &Engine, args: BackfillArgs) -> Result<(), Error> {
    if args.from > args.to {
        return Err(Error::input("`--from` is later than `--to`"));
    }
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    let time = ScheduleBackfill::new(args.from, args.to).overlap_policy(args.overlap.into());
    let options = BackfillScheduleOptions::default();
    schedule.done(schedule.handle.backfill([time.build()], options).await)?;
    eprintln!("asked for the runs; `kiln schedule describe {}` shows them", args.name);
    Ok(())
}

/// Deletes a schedule.
pub(super) async fn delete(engine: &Engine, args: DeleteArgs) -> Result<(), Error> {
    let (schedule, _) = Schedule::find(engine, &args.name).await?;
    schedule.done(schedule.handle.delete(DeleteScheduleOptions::default()).await)?;
    eprintln!("deleted: `{}`", args.name);
    Ok(())
}
