//! A schedule of builds in the engine, and why the engine refuses a call.

use temporalio_client::{
    Client, RpcOptions,
    schedules::{ScheduleDescription, ScheduleDescriptionAction, ScheduleError, ScheduleHandle},
    tonic::{Code, Status},
};

use crate::{
    engine::{Engine, namespace, refused},
    output::Error,
};

/// The workflow types of builds.
pub(super) const BUILDS: [&str; 3] = ["BuildApp", "BuildComponent", "BuildContainer"];

/// A schedule of builds.
pub(super) struct Schedule<'a> {
    pub(super) engine: &'a Engine,
    pub(super) name: &'a str,
    pub(super) handle: ScheduleHandle<Client>,
}

impl<'a> Schedule<'a> {
    /// Finds a schedule, and returns its description.
    ///
    /// # Errors
    /// If there is no such schedule, or it starts no build.
    pub(super) async fn find(
        engine: &'a Engine,
        name: &'a str,
    ) -> Result<(Self, ScheduleDescription), Error> {
        let handle = engine.client.get_schedule_handle(name);
        let schedule = Self { engine, name, handle };
        let found = schedule.describe().await?;
        let ScheduleDescriptionAction::StartWorkflow(action) = found.action() else {
            return Err(foreign(name, "no workflow"));
        };
        match BUILDS.contains(&action.workflow_type()) {
            true => Ok((schedule, found)),
            false => Err(foreign(name, &format!("the workflow `{}`", action.workflow_type()))),
        }
    }

    /// Describes the schedule.
    pub(super) async fn describe(&self) -> Result<ScheduleDescription, Error> {
        self.checked(self.handle.describe(RpcOptions::default()).await)
    }

    /// The result of a call, or the error of the engine.
    pub(super) fn checked<T>(&self, called: Result<T, ScheduleError>) -> Result<T, Error> {
        called.map_err(|error| call_failed(error, self.engine, self.name))
    }
}

fn foreign(name: &str, starts: &str) -> Error {
    Error::input(format!("the schedule `{name}` starts {starts}, which is not a build"))
        .hint("`kiln schedule list` shows the schedules of builds, `temporal schedule list` all schedules")
}

pub(super) fn call_failed(error: ScheduleError, engine: &Engine, name: &str) -> Error {
    match error {
        ScheduleError::Rpc(status) => rejected(&status, engine, name),
        other => anyhow::Error::from(other).into(),
    }
}

/// The error for a failed call.
pub(super) fn rejected(status: &Status, engine: &Engine, name: &str) -> Error {
    let message = status.message();
    match status.code() {
        Code::NotFound if !message.to_lowercase().contains("namespace") => {
            Error::input(format!("there is no schedule `{name}`"))
                .hint("`kiln schedule list` shows the schedules of this namespace")
        }
        Code::AlreadyExists => Error::input(format!("the schedule `{name}` already exists"))
            .hint("`--replace` replaces it; `kiln schedule describe` shows it"),
        Code::InvalidArgument if !message.contains("search attribute") => {
            Error::input(format!("Temporal rejects the schedule: {message}")).hint(
                "a cron line looks like `0 2 * * *`, a time zone like `Europe/Berlin`; \
                 `kiln schedule create --help` describes the flags",
            )
        }
        _ => namespace::unready(status, engine)
            .unwrap_or_else(|| refused(status, &engine.address).into()),
    }
}
