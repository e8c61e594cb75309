//! `kiln ls`: the builds that run, and those that ran lately.

mod filter;
mod listed;

use temporalio_client::RpcOptions;

use self::listed::Listed;
use crate::{
    cli::LsArgs,
    connect, document,
    end::{Error, Exit},
    settings::Common,
    table, visibility,
};

/// Lists builds.
pub(crate) async fn ls(args: LsArgs, common: Common) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let limit = usize::from(args.limit);
    // One more tells whether there are more.
    let found =
        visibility::list(&engine, filter::of(&args), limit + 1, RpcOptions::default()).await?;
    let more = found.len() > limit;
    let page = |id: &str| engine.page(common.temporal_ui.as_ref(), id);
    let listed: Vec<_> = found.iter().take(limit).map(|one| Listed::of(one, page)).collect();
    document::show(args.output, &listed, || match listed.is_empty() {
        true => {
            eprintln!("no such builds");
            Ok(())
        }
        false => table::print(&listed::table(&listed)),
    })?;
    if more {
        eprintln!("there are more; `--limit` shows them");
    }
    Ok(Exit::Success)
}
