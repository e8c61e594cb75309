//! `clean_up`: removes every object in the cluster that an execution made.

use std::time::Duration;

use kilnworks_workflows::{names, steps::CleanUpInput};
use kube::{
    Api, Resource,
    api::{DeleteParams, ListParams},
};
use serde::de::DeserializeOwned;

use crate::{
    cluster::{Cluster, unavailable},
    pod::GRACE_SECONDS,
};

/// Pauses before it looks again for what a launch made meanwhile.
const AGAIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// Deletes the Jobs and Pods of an execution, finished or not. It returns once every one of them
/// is accepted for deletion; running it again finds nothing and is harmless.
///
/// A launch that was on its way may create its Pod after the first look. It asks after that
/// whether it is still wanted and deletes it itself; two more looks are for a launch that was cut
/// off in between.
pub async fn clean_up(cluster: &Cluster, input: CleanUpInput) -> anyhow::Result<()> {
    let owned = format!(
        "{}={},{}={}",
        names::label("instance"),
        cluster.site.instance,
        names::label("run"),
        input.run_id
    );
    remove(cluster, &owned).await?;
    for pause in AGAIN.into_iter().filter(|_| input.launching) {
        tokio::time::sleep(pause).await;
        remove(cluster, &owned).await?;
    }
    Ok(())
}

async fn remove(cluster: &Cluster, owned: &str) -> anyhow::Result<()> {
    // Jobs first, or a Job would see its Pod go.
    delete_all(&cluster.jobs(), owned).await?;
    delete_all(&cluster.pods(), owned).await
}

/// Deletes what is not being deleted yet.
async fn delete_all<K>(api: &Api<K>, owned: &str) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let selector = ListParams::default().labels(owned);
    let listed = api.list(&selector).await;
    let listed = listed.map_err(|error| unavailable("list what the build made", &error))?;
    for object in listed.items {
        let meta = object.meta();
        if let (Some(name), None) = (&meta.name, &meta.deletion_timestamp) {
            delete(api, name, meta.uid.clone()).await?;
        }
    }
    Ok(())
}

/// Deletes one object, and no other of its name. One that is gone already is fine.
pub async fn delete<K>(api: &Api<K>, name: &str, uid: Option<String>) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let params = DeleteParams {
        preconditions: uid
            .map(|uid| kube::api::Preconditions { uid: Some(uid), resource_version: None }),
        ..DeleteParams::background().grace_period(GRACE_SECONDS)
    };
    match api.delete(name, &params).await {
        Ok(_) => Ok(()),
        // Gone, or another object has its name by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(unavailable(&format!("delete `{name}`"), &error)),
    }
}
