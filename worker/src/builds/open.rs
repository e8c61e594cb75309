//! `kiln open`: the URL of a build in the Temporal UI.

use kilnworks_workflows::BuildApp;
use serde::Serialize;

use super::status;
use crate::{
    cli::OpenArgs,
    engine::connect,
    output::{Error, Exit, document, stdout},
    settings::Common,
};

#[derive(Serialize)]
struct Page<'a> {
    id: &'a str,
    ui: &'a str,
}

/// Prints the URL of a build and, with `--browser`, opens it.
pub(crate) async fn open(args: OpenArgs, common: Common) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let build = engine.client.get_workflow_handle::<BuildApp>(&args.id);
    // The UI shows an empty page for an unknown build.
    status::describe(&engine, &build).await?;
    let page = engine.page(common.temporal_ui.as_ref(), &args.id).ok_or_else(|| {
        Error::input("the URL of the Temporal UI is not set")
            .hint("set KILN_TEMPORAL_UI, or `--temporal-ui`")
    })?;
    let shown = Page { id: &args.id, ui: &page };
    document::show(args.output, &shown, || stdout::print(&page))?;
    if args.browser {
        ::open::that_detached(&page).map_err(|error| {
            Error::new(Exit::Failed, format!("cannot open a browser: {error}"))
                .at(&page)
                .hint("open the URL yourself")
        })?;
    }
    Ok(Exit::Success)
}
