//! `kiln setup`: creates the namespace, its search attributes and the sweep schedule. It is idempotent.

use std::time::{Duration, Instant};

use kilnworks_workflows::build::SEARCH_ATTRIBUTES;
use serde::Serialize;
use temporalio_client::{
    schedules::ScheduleError,
    tonic::{Code, Status},
};

use super::{
    signals,
    sweep_schedule::{self, ScheduleState},
};
use crate::{
    cli::SetupArgs,
    engine::{Engine, connect, namespace, refused},
    output::{Error, Exit, document, stdout},
    settings::Sweeping,
};

/// How long the engine may take until all its servers see new search attributes. They refresh about
/// every ten seconds.
const VISIBLE: Duration = Duration::from_secs(60);

/// Pause between two polls.
const PAUSE: Duration = Duration::from_millis(500);

/// Creates what is missing, waits until the engine sees it, and reports the result.
pub(crate) async fn setup(args: SetupArgs, sweeping: &Sweeping) -> Result<Exit, Error> {
    let hint = "run it again: it creates what is missing";
    signals::or_ended(create(args, sweeping), hint).await
}

async fn create(args: SetupArgs, sweeping: &Sweeping) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let failed = |status: Status| Error::from(refused(&status, &engine.address));
    let name = &engine.namespace;
    let was_there = namespace::id(&engine).await.map_err(failed)?.is_some();
    if !was_there {
        namespace::register(&engine, args.retention).await.map_err(failed)?;
    }
    let attributes = match attributes(&engine).await {
        Err(status) if namespace::is_hidden(&status) => {
            eprintln!("{}", by_hand(&status));
            None
        }
        attributes => Some(attributes.map_err(failed)?),
    };
    let report = Report {
        namespace: name,
        namespace_created: !was_there,
        search_attributes_created: attributes,
        sweeps: sweeps(&engine, sweeping).await?,
    };
    document::show(args.output, &report, || stdout::print(&report.text()))?;
    Ok(Exit::Success)
}

/// What was created, and what existed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    namespace: &'a str,
    namespace_created: bool,
    /// None if the engine does not allow listing them.
    search_attributes_created: Option<Vec<&'static str>>,
    sweeps: ScheduleState,
}

impl Report<'_> {
    fn text(&self) -> String {
        let namespace = if self.namespace_created { "created" } else { "exists" };
        let attributes = match self.search_attributes_created.as_deref() {
            None => "cannot be listed".to_owned(),
            Some([]) => "exist".to_owned(),
            Some(created) => format!("created {}", created.join(", ")),
        };
        let sweeps = match self.sweeps {
            ScheduleState::Created => "created",
            ScheduleState::Updated => "updated",
            ScheduleState::Unchanged => "exists",
            ScheduleState::Off => "off",
        };
        format!(
            "namespace `{}`: {namespace}\nsearch attributes: {attributes}\nsweep schedule: {sweeps}",
            self.namespace
        )
    }
}

/// Creates the missing search attributes and waits until the engine lists them.
async fn attributes(engine: &Engine) -> Result<Vec<&'static str>, Status> {
    let started = Instant::now();
    let mut created: Vec<&'static str> = Vec::new();
    loop {
        let step = async {
            let missing = namespace::missing_attributes(engine).await?;
            let new: Vec<_> =
                missing.iter().copied().filter(|name| !created.contains(name)).collect();
            if !new.is_empty() {
                namespace::add_attributes(engine, &new).await?;
            }
            Ok((missing, new))
        };
        match step.await {
            Ok((missing, _)) if missing.is_empty() => return Ok(created),
            Ok((_, new)) => created.extend(new),
            Err(status) if started.elapsed() < VISIBLE && not_yet(&status) => {}
            Err(status) => return Err(status),
        }
        if started.elapsed() > VISIBLE {
            let seconds = VISIBLE.as_secs();
            return Err(Status::deadline_exceeded(format!(
                "the search attributes are not visible after {seconds} s"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The warning for a hosted engine, which creates search attributes only by its own tools.
fn by_hand(status: &Status) -> String {
    let (why, names) = (status.message(), SEARCH_ATTRIBUTES.join(", "));
    format!(
        "warning: cannot list the search attributes: {why}\n\
         hint: create them with type Keyword: {names}"
    )
}

/// Creates or updates the sweep schedule.
async fn sweeps(engine: &Engine, sweeping: &Sweeping) -> Result<ScheduleState, Error> {
    let started = Instant::now();
    loop {
        match sweep_schedule::ensure(engine, sweeping).await {
            Ok(kept) => return Ok(kept),
            Err(ScheduleError::Rpc(status)) if started.elapsed() < VISIBLE && not_yet(&status) => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(ScheduleError::Rpc(status)) => return Err(refused(&status, &engine.address).into()),
            Err(other) => return Err(anyhow::Error::from(other).into()),
        }
    }
}

/// Whether the engine does not know a new namespace everywhere yet.
fn not_yet(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::Unavailable)
}

#[cfg(test)]
mod tests {
    use temporalio_client::tonic::Status;

    use super::{Report, ScheduleState, by_hand};
    use crate::engine::namespace::is_hidden;

    #[test]
    fn a_hosted_engine_gets_a_warning() {
        let status = Status::permission_denied("no");
        assert!(is_hidden(&status));
        assert!(!is_hidden(&Status::unavailable("away")));
        let warning = by_hand(&status);
        assert!(
            warning.starts_with("warning: cannot list the search attributes: no\n"),
            "{warning}"
        );
        for name in kilnworks_workflows::build::SEARCH_ATTRIBUTES {
            assert!(warning.contains(name), "{warning}");
        }
        let report = Report {
            namespace: "builds",
            namespace_created: false,
            search_attributes_created: None,
            sweeps: ScheduleState::Created,
        };
        assert!(
            report.text().contains("search attributes: cannot be listed\n"),
            "{}",
            report.text()
        );
    }
}
