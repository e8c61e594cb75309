//! `kiln fetch-context`: the init container of a build Pod with presigned delivery.

use anyhow::Context;
use kilnworks_activities::pod::presigned::fetch::{PAUSES, fetch};

use super::signals;
use crate::{
    cli::FetchContextArgs,
    output::{Error, Exit},
};

/// Fetches and unpacks the context for the executor.
pub(crate) async fn fetch_context(args: FetchContextArgs) -> Result<Exit, Error> {
    let url =
        std::fs::read_to_string(&args.url_file).context("cannot read the file with the URL")?;
    let fetched = async { Ok(fetch(url.trim(), &args.sha256, &args.into, &PAUSES).await?) };
    signals::or_ended(fetched, "the next attempt fetches the context again").await?;
    Ok(Exit::Success)
}
