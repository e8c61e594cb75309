//! `kiln open`: a build's page in the Temporal UI.

use kilnworks_workflows::BuildApp;
use serde::Serialize;
use temporalio_client::WorkflowDescribeOptions;

use crate::{
    cli::OpenArgs,
    connect, document,
    end::{Error, Exit},
    settings::Common,
    status::not_told,
    table,
};

#[derive(Serialize)]
struct Page<'a> {
    id: &'a str,
    ui: &'a str,
}

/// Prints the address of a build's page, and opens it where that was asked for.
pub(crate) async fn open(args: OpenArgs, common: Common) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    // A page of a build that is not there says little.
    if let Err(error) = build.describe(WorkflowDescribeOptions::default()).await {
        return Err(not_told(error, &engine, &args.id).await);
    }
    let page = engine.page(common.temporal_ui.as_ref(), &args.id).ok_or_else(|| {
        Error::input("the address of the Temporal UI is not known")
            .hint("set KILN_TEMPORAL_UI, or `--temporal-ui`")
    })?;
    let shown = Page { id: &args.id, ui: &page };
    document::show(args.output, &shown, || table::print(&page))?;
    if args.browser {
        ::open::that_detached(&page).map_err(|error| {
            Error::new(Exit::Failed, format!("cannot open a browser: {error}"))
                .at(&page)
                .hint("open the address yourself")
        })?;
    }
    Ok(Exit::Success)
}
