//! `kiln ls`: running and recent builds.

mod filter;
mod listed;

use temporalio_client::RpcOptions;

use self::listed::Listed;
use crate::{
    cli::LsArgs,
    engine::{connect, list},
    output::{Error, Exit, document, stdout},
    settings::Common,
};

/// Lists builds.
pub(crate) async fn ls(args: LsArgs, common: Common) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let limit = usize::from(args.limit);
    // One more than the limit shows whether there are more.
    let found = list::list(&engine, filter::of(&args), limit + 1, RpcOptions::default()).await?;
    let more = found.len() > limit;
    let page = |id: &str| engine.page(common.temporal_ui.as_ref(), id);
    let listed: Vec<_> = found.iter().take(limit).map(|one| Listed::of(one, page)).collect();
    document::show(args.output, &listed, || match listed.is_empty() {
        true => {
            eprintln!("no builds found");
            Ok(())
        }
        false => stdout::print(&listed::table(&listed)),
    })?;
    if more {
        eprintln!("there are more builds; raise `--limit`");
    }
    Ok(Exit::Success)
}
