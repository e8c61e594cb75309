//! Deletes what builds made.

use kube::{
    Api,
    api::{DeleteParams, Preconditions},
};
use serde::de::DeserializeOwned;

use super::unavailable;
use crate::pod::{manifest::GRACE_SECONDS, seen::SeenPod};

/// Deletes the object with this name and UID. An object that is gone already is no error.
pub async fn delete<K>(api: &Api<K>, name: &str, uid: Option<String>) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let params = DeleteParams::background().grace_period(GRACE_SECONDS);
    run(api, name, uid, params).await
}

/// Removes a Pod from the API without waiting for its node.
pub async fn force(pods: &Api<SeenPod>, name: &str, uid: Option<String>) -> anyhow::Result<()> {
    run(pods, name, uid, DeleteParams::default().grace_period(0)).await
}

async fn run<K>(
    api: &Api<K>,
    name: &str,
    uid: Option<String>,
    params: DeleteParams,
) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let preconditions = Some(Preconditions { uid, resource_version: None });
    match api.delete(name, &DeleteParams { preconditions, ..params }).await {
        Ok(_) => Ok(()),
        // The object is gone, or another object has its name.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(unavailable(&format!("delete `{name}`"), &error)),
    }
}
