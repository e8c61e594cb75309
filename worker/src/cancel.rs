//! `kiln cancel`: asks a build to end. It cleans up after itself.

use kilnworks_workflows::BuildApp;
use temporalio_client::WorkflowCancelOptions;

use crate::{
    cli::CancelArgs,
    connect, decide,
    end::{Error, Exit},
    outcome::{self, Outcome},
    settings::Common,
    status::not_told,
};

/// Cancels a build.
pub(crate) async fn cancel(args: CancelArgs, _common: Common) -> Result<Exit, Error> {
    if let Some(container) = &args.container {
        return decide::cancel_container(&args.id, container).await;
    }
    let engine = connect::once().await?;
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    let options = WorkflowCancelOptions::builder().reason("kiln cancel".to_owned()).build();
    if let Err(error) = build.cancel(options).await {
        return Err(not_told(error, &engine, &args.id).await);
    }
    if !args.wait {
        eprintln!("asked `{}` to end", args.id);
        return Ok(Exit::Success);
    }
    match outcome::wait(&engine, &build).await? {
        Outcome::Cancelled => eprintln!("cancelled: `{}`", args.id),
        // It was quicker than the cancel, which is no failure of this command.
        Outcome::Succeeded(_) => eprintln!("`{}` had succeeded before", args.id),
        Outcome::Failed(_) => eprintln!("`{}` had failed before", args.id),
    }
    Ok(Exit::Success)
}
