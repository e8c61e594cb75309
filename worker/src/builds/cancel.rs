//! `kiln cancel`: cancels a build, which then cleans up.

use kilnworks_workflows::BuildApp;
use temporalio_client::WorkflowCancelOptions;

use super::{
    decide,
    outcome::{self, Build, Outcome},
    suggest,
};
use crate::{
    cli::CancelArgs,
    engine::{Engine, connect},
    output::{Error, Exit},
};

/// Cancels a build.
pub(crate) async fn cancel(args: CancelArgs) -> Result<Exit, Error> {
    if let Some(container) = &args.container {
        return decide::cancel_container(&args.id, container).await;
    }
    let engine = connect::once().await?;
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    request(&engine, &build, "kiln cancel").await?;
    if !args.wait {
        eprintln!("requested the cancellation of `{}`", args.id);
        return Ok(Exit::Success);
    }
    match outcome::wait(&engine, &build).await? {
        Outcome::Cancelled => eprintln!("cancelled: `{}`", args.id),
        // The build ended before the cancellation, which is no failure of this command.
        Outcome::Succeeded(_) => eprintln!("`{}` succeeded before the cancellation", args.id),
        Outcome::Failed(_) => eprintln!("`{}` failed before the cancellation", args.id),
    }
    Ok(Exit::Success)
}

/// Requests the cancellation of a build.
pub(super) async fn request(engine: &Engine, build: &Build, reason: &str) -> Result<(), Error> {
    let options = WorkflowCancelOptions::builder().reason(reason.to_owned()).build();
    match build.cancel(options).await {
        Ok(_) => Ok(()),
        Err(error) => Err(suggest::explain(error, engine, &build.info().workflow_id).await),
    }
}
