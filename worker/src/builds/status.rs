//! `kiln status`: the progress or the result of a build.

use kilnworks_workflows::{BuildApp, progress::Progress};
use serde::Serialize;
use temporalio_client::{
    WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionStatus,
};

use super::{
    follow::{self, Interrupt},
    outcome::{self, Build, Outcome},
    poll, suggest,
};
use crate::{
    cli::StatusArgs,
    engine::{Engine, connect},
    output::{Error, Exit, OutputFormat, document, stdout, tables},
    settings::Common,
};

/// The state of a build.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    id: String,
    run_id: String,
    workflow_type: String,
    status: String,
    ui: Option<String>,
    progress: Option<Progress>,
    result: Option<Outcome>,
}

/// Shows a build.
pub(crate) async fn status(args: StatusArgs, common: Common) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    let mut described = describe(&engine, &build).await?;
    let running = |described: &Described| described.status() == WorkflowExecutionStatus::Running;
    if args.watch && running(&described) {
        if watch(&engine, &common, &build, &described).await?.is_none() {
            return Ok(Exit::Detached);
        }
        described = describe(&engine, &build).await?;
    }
    let running = running(&described);
    let result = match running {
        true => None,
        false => Some(outcome::wait(&engine, &build).await?),
    };
    let status = Status {
        run_id: described.run_id().to_owned(),
        workflow_type: described.workflow_type().to_owned(),
        status: word(described.status()),
        ui: engine.page(common.temporal_ui.as_ref(), &args.id),
        progress: match running {
            true => poll::progress(&engine, &build).await,
            false => poll::ask(&build).await,
        },
        result,
        id: args.id,
    };
    show(&status, args.output)?;
    let exit = status.result.as_ref().map(Outcome::exit);
    Ok(exit.unwrap_or(Exit::Success))
}

type Described = WorkflowExecutionDescription;

/// Describes a build. The error for an unknown id suggests others.
pub(super) async fn describe(engine: &Engine, build: &Build) -> Result<Described, Error> {
    match build.describe(WorkflowDescribeOptions::default()).await {
        Ok(described) => Ok(described),
        Err(error) => Err(suggest::explain(error, engine, &build.info().workflow_id).await),
    }
}

/// Shows this run until it ends, even if a later build has the same id. Returns none if the user
/// detached.
async fn watch(
    engine: &Engine,
    common: &Common,
    build: &Build,
    described: &Described,
) -> Result<Option<Outcome>, Error> {
    let mut run = build.info().clone();
    run.run_id = Some(described.run_id().to_owned());
    let run = Build::new(engine.client.clone(), run);
    let age = described.start_time().and_then(|began| began.elapsed().ok()).unwrap_or_default();
    follow::follow(engine, &common.task_queue, &run, age, Interrupt::Detach).await
}

/// The name of a status.
pub(crate) fn word(status: WorkflowExecutionStatus) -> String {
    format!("{status:?}").to_lowercase()
}

fn show(status: &Status, output: OutputFormat) -> Result<(), Error> {
    document::show(output, status, || show_table(status))
}

fn show_table(status: &Status) -> Result<(), Error> {
    let ui = status.ui.as_deref().unwrap_or_default();
    eprintln!("build `{}`: {}  {ui}", status.id, status.status);
    match (&status.result, &status.progress) {
        (Some(Outcome::Cancelled) | None, Some(progress)) => {
            stdout::print(&tables::progress(progress))?;
            if let Some(what) = &progress.waiting {
                let since = progress.since.as_deref().unwrap_or_default();
                eprintln!("the build has been waiting {what} since {since}");
            }
            Ok(())
        }
        (Some(result), _) => result.show(&status.id, OutputFormat::Table),
        (None, None) => {
            eprintln!("no worker answers; is `kiln worker` running?");
            Ok(())
        }
    }
}
