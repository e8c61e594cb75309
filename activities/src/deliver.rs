//! `deliver`: the record of what a component's or an app's build made.
//!
//! Every image in it was seen in its registry by the step that made or looked it up.

use anyhow::Context as _;
use kilnworks_workflows::{names, output::Package, steps::DeliverInput};

use crate::store::ContextStore;

/// Puts the record into the store. The same build has the same record, byte for byte.
pub async fn deliver(store: &dyn ContextStore, input: DeliverInput) -> anyhow::Result<Package> {
    let key = record_key(&input);
    let record = serde_json::to_vec_pretty(&input).context("write the record")?;
    let digest = format!("sha256:{}", names::hex(&record));
    store.write(&key, record).await.context("put the record into the store")?;
    Ok(Package { reference: store.url(&key), digest })
}

/// A run's records lie together, the app's and its components'.
fn record_key(input: &DeliverInput) -> String {
    let name = input.component.as_deref().unwrap_or("app");
    let folder = if input.component.is_some() { "components/" } else { "" };
    format!("packages/{}/{}/{folder}{name}.json", input.app, input.id.run_id)
}
