//! `kiln schedule`: builds that the engine starts by the clock.
//!
//! A schedule is the engine's own; whatever made it, it is known by the workflow that it starts.
//! Those that start no build, as the sweeper's, are not touched here.

mod act;
mod create;
mod describe;
mod list;
mod run;
mod when;

use temporalio_client::{
    Client, RpcOptions,
    schedules::{ScheduleDescription, ScheduleDescriptionAction, ScheduleError, ScheduleHandle},
    tonic::{Code, Status},
};

use crate::{
    cli::{ScheduleArgs, ScheduleCommand},
    connect::{self, Engine, refused},
    end::{Error, Exit},
    namespace,
    settings::Common,
};

/// The workflows that build.
const BUILDS: [&str; 3] = ["BuildApp", "BuildComponent", "BuildContainer"];

/// Does what was asked for with schedules.
pub(crate) async fn schedule(args: ScheduleArgs, common: Common) -> Result<Exit, Error> {
    match args.command {
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

/// A schedule of builds.
struct Schedule<'a> {
    engine: &'a Engine,
    name: &'a str,
    handle: ScheduleHandle<Client>,
}

impl<'a> Schedule<'a> {
    /// The schedule of this name, and what the engine tells of it.
    ///
    /// # Errors
    /// Where there is none, or it starts no build.
    async fn find(engine: &'a Engine, name: &'a str) -> Result<(Self, ScheduleDescription), Error> {
        let handle = engine.client.get_schedule_handle(name);
        let schedule = Self { engine, name, handle };
        let found = schedule.look().await?;
        let ScheduleDescriptionAction::StartWorkflow(action) = found.action() else {
            return Err(foreign(name, "no workflow"));
        };
        match BUILDS.contains(&action.workflow_type()) {
            true => Ok((schedule, found)),
            false => Err(foreign(name, &format!("the workflow `{}`", action.workflow_type()))),
        }
    }

    /// What the engine tells of it now.
    async fn look(&self) -> Result<ScheduleDescription, Error> {
        self.done(self.handle.describe(RpcOptions::default()).await)
    }

    /// What a call gave, or why the engine did not do it.
    fn done<T>(&self, called: Result<T, ScheduleError>) -> Result<T, Error> {
        called.map_err(|error| not_done(error, self.engine, self.name))
    }
}

fn foreign(name: &str, starts: &str) -> Error {
    Error::input(format!("the schedule `{name}` starts {starts}, which is no build"))
        .hint("`kiln schedule list` shows the schedules of builds; `temporal schedule` knows all")
}

fn not_done(error: ScheduleError, engine: &Engine, name: &str) -> Error {
    match error {
        ScheduleError::Rpc(status) => refusal(&status, engine, name),
        other => anyhow::Error::from(other).into(),
    }
}

/// Why the engine does not do something with a schedule.
fn refusal(status: &Status, engine: &Engine, name: &str) -> Error {
    let said = status.message();
    match status.code() {
        Code::NotFound if !said.to_lowercase().contains("namespace") => {
            Error::input(format!("there is no schedule `{name}`"))
                .hint("`kiln schedule list` shows those of this namespace")
        }
        Code::AlreadyExists => Error::input(format!("there is a schedule `{name}` already"))
            .hint("`--replace` replaces it; `kiln schedule describe` shows it"),
        Code::InvalidArgument if !said.contains("search attribute") => {
            Error::input(format!("the engine refuses the schedule: {said}")).hint(
                "a cron line is as `0 2 * * *`, a time zone as `Europe/Berlin`; \
                 `kiln schedule create --help` tells of the others",
            )
        }
        _ => namespace::unready(status, engine)
            .unwrap_or_else(|| refused(status, &engine.address).into()),
    }
}
