//! `kiln schedule`: schedules that start builds.
//!
//! These commands accept any schedule that starts a build workflow, whoever created it. They do not
//! touch other schedules, such as the sweep schedule.

mod act;
mod create;
mod describe;
mod handle;
mod list;
mod run;
mod when;

use crate::{
    cli::ScheduleCommand,
    engine::connect,
    output::{Error, Exit},
    settings::Common,
};

/// Runs a `kiln schedule` command.
pub(crate) async fn schedule(command: ScheduleCommand, common: Common) -> Result<Exit, Error> {
    match command {
        ScheduleCommand::Create(args) => create::create(args, &common).await?,
        ScheduleCommand::List(args) => list::list(&connect::once().await?, args).await?,
        ScheduleCommand::Describe(args) => {
            describe::describe(&connect::once().await?, args, &common).await?;
        }
        ScheduleCommand::Trigger(args) => act::trigger(&connect::once().await?, args).await?,
        ScheduleCommand::Pause(args) => act::pause(&connect::once().await?, args).await?,
        ScheduleCommand::Unpause(args) => act::unpause(&connect::once().await?, args).await?,
        ScheduleCommand::Backfill(args) => act::backfill(&connect::once().await?, args).await?,
        ScheduleCommand::Delete(args) => act::delete(&connect::once().await?, args).await?,
    }
    Ok(Exit::Success)
}
