//! `kiln fetch-context`: what the container before an executor does, where contexts are delivered by
//! a signed address.

use anyhow::Context;
use kilnworks_activities::presigned::fetch::{PAUSES, fetch};

use crate::{
    cli::FetchContextArgs,
    end::{Error, Exit},
    signals,
};

/// Puts the context where its executor looks for it.
pub(crate) async fn fetch_context(args: FetchContextArgs) -> Result<Exit, Error> {
    let url = std::fs::read_to_string(&args.url_file).context("cannot read the address")?;
    let fetched = async { Ok(fetch(url.trim(), &args.sha256, &args.into, &PAUSES).await?) };
    signals::or_ended(fetched, "the next attempt fetches it anew").await?;
    Ok(Exit::Success)
}
