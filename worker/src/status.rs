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
    end::{Error, Exit},
    outcome::{self, Outcome},
    poll,
    settings::Common,
    table,
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
    let described = build
        .describe(WorkflowDescribeOptions::default())
        .await
        .map_err(|error| not_told(error, &engine, &args.id))?;
    let running = described.status() == WorkflowExecutionStatus::Running;
    let result = match running {
        true => None,
        false => Some(outcome::wait(&engine, &build).await?),
    };
    let status = Status {
        run_id: described.run_id().to_owned(),
        workflow_type: described.workflow_type().to_owned(),
        status: word(&described),
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

fn word(described: &WorkflowExecutionDescription) -> String {
    format!("{:?}", described.status()).to_lowercase()
}

fn show(status: &Status, output: Output) -> Result<(), Error> {
    if output == Output::Json {
        return table::json(status);
    }
    let ui = status.ui.as_deref().unwrap_or_default();
    eprintln!("build `{}`: {}  {ui}", status.id, status.status);
    match (&status.result, &status.progress) {
        (Some(Outcome::Cancelled) | None, Some(progress)) => {
            table::print(&table::progress(progress))
        }
        (Some(result), _) => result.show(&status.id, output),
        (None, None) => {
            eprintln!("no worker answers; does `kiln worker` run?");
            Ok(())
        }
    }
}

/// Why the engine does not tell of a build.
pub(crate) fn not_told(error: WorkflowInteractionError, engine: &Engine, id: &str) -> Error {
    match error {
        WorkflowInteractionError::NotFound(_) => outcome::not_found(id),
        WorkflowInteractionError::Rpc(status) => refused(&status, &engine.address).into(),
        other => anyhow::Error::from(other).into(),
    }
}
