//! `deliver`: the record of what a component's or an app's build made.
//!
//! Every image in it was seen in its registry by the step that made or looked it up.

use std::io::Write;

use anyhow::Context as _;
use kilnworks_workflows::{names, output::Package, steps::DeliverInput};

use crate::store::ContextStore;

/// Puts the record into the store. The same build has the same record, byte for byte.
pub async fn deliver(store: &dyn ContextStore, input: DeliverInput) -> anyhow::Result<Package> {
    let key = record_key(&input);
    let record = serde_json::to_vec_pretty(&input).context("write the record")?;
    let mut file = tempfile::NamedTempFile::new().context("make a file for the record")?;
    file.write_all(&record).context("write the record")?;
    store
        .put(&key, file.path())
        .await
        .context("put the record into the store")?;
    Ok(Package {
        url: store.url(&key),
        digest: format!("sha256:{}", names::hex(&record)),
    })
}

/// A run's records lie together, the app's and its components'.
fn record_key(input: &DeliverInput) -> String {
    let name = input.component.as_deref().unwrap_or("app");
    let folder = if input.component.is_some() {
        "components/"
    } else {
        ""
    };
    format!(
        "packages/{}/{}/{folder}{name}.json",
        input.app, input.run_id
    )
}
