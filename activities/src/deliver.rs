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
    Ok(Package { url: store.url(&key), digest })
}

/// A run's records lie together, the app's and its components'.
fn record_key(input: &DeliverInput) -> String {
    let name = input.component.as_deref().unwrap_or("app");
    let folder = if input.component.is_some() { "components/" } else { "" };
    format!("packages/{}/{}/{folder}{name}.json", input.app, input.run_id)
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::steps::DeliverInput;

    use super::deliver;
    use crate::{
        settings::VolumeMount,
        store::{ContextStore, volume::VolumeStore},
    };

    #[tokio::test]
    async fn a_record_delivered_twice_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let mount = VolumeMount::HostPath(dir.path().to_owned());
        let store = VolumeStore::open(dir.path(), mount).unwrap();
        let input = DeliverInput {
            app: "shop".to_owned(),
            component: None,
            version: Some("1.0.0".to_owned()),
            images: Vec::new(),
            workflow_id: "shop-1.0.0".to_owned(),
            run_id: "run".to_owned(),
        };
        let first = deliver(&store, input.clone()).await.unwrap();
        assert_eq!(deliver(&store, input.clone()).await.unwrap(), first);
        let record = store.read("packages/shop/run/app.json").await.unwrap().unwrap();
        let read: DeliverInput = serde_json::from_slice(&record).unwrap();
        assert_eq!(read.version, input.version);
        let component = DeliverInput { component: Some("app".to_owned()), ..input };
        assert_ne!(deliver(&store, component).await.unwrap().url, first.url);
    }
}
