//! `kiln status`: where a build stands, or how it ended.

use kilnworks_workflows::{BuildApp, progress::Progress};
use serde::Serialize;
use temporalio_client::{
    WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionStatus,
    errors::WorkflowInteractionError,
};

use crate::{
    cli::{Output, StatusArgs},
    connect::{self, Engine, refused},
    document,
    end::{Error, Exit},
    follow::{self, Interrupt},
    outcome::{self, Build, Outcome},
    poll,
    settings::Common,
    suggest, table,
};

/// Where a build stands.
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

async fn describe(engine: &Engine, build: &Build) -> Result<Described, Error> {
    match build.describe(WorkflowDescribeOptions::default()).await {
        Ok(described) => Ok(described),
        Err(error) => Err(not_told(error, engine, &build.info().workflow_id).await),
    }
}

/// Shows this run until it ends, whoever builds under its id afterwards. None where someone left.
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
    follow::follow(engine, &common.task_queue, &run, age, Interrupt::Leave).await
}

/// The engine's word for a state.
pub(crate) fn word(status: WorkflowExecutionStatus) -> String {
    format!("{status:?}").to_lowercase()
}

fn show(status: &Status, output: Output) -> Result<(), Error> {
    document::show(output, status, || show_table(status))
}

fn show_table(status: &Status) -> Result<(), Error> {
    let ui = status.ui.as_deref().unwrap_or_default();
    eprintln!("build `{}`: {}  {ui}", status.id, status.status);
    match (&status.result, &status.progress) {
        (Some(Outcome::Cancelled) | None, Some(progress)) => {
            table::print(&table::progress(progress))?;
            if let Some(what) = &progress.waiting {
                let since = progress.since.as_deref().unwrap_or_default();
                eprintln!("the build waits {what} since {since}");
            }
            Ok(())
        }
        (Some(result), _) => result.show(&status.id, Output::Table),
        (None, None) => {
            eprintln!("no worker answers; does `kiln worker` run?");
            Ok(())
        }
    }
}

/// Why the engine does not tell of a build.
pub(crate) async fn not_told(error: WorkflowInteractionError, engine: &Engine, id: &str) -> Error {
    match error {
        WorkflowInteractionError::NotFound(_) => suggest::not_found(engine, id).await,
        WorkflowInteractionError::Rpc(status) => refused(&status, &engine.address).into(),
        other => anyhow::Error::from(other).into(),
    }
}
