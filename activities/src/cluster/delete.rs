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
    run(api, name, uid, GRACE_SECONDS).await
}

/// Removes a Pod from the API without waiting for its node.
pub async fn force(pods: &Api<SeenPod>, name: &str, uid: Option<String>) -> anyhow::Result<()> {
    run(pods, name, uid, 0).await
}

async fn run<K>(api: &Api<K>, name: &str, uid: Option<String>, grace: u32) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let preconditions = Preconditions { uid, resource_version: None };
    let params = DeleteParams::background().grace_period(grace).preconditions(preconditions);
    match api.delete(name, &params).await {
        Ok(_) => Ok(()),
        // The object is gone, or another object has its name.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(unavailable(&format!("delete `{name}`"), &error)),
    }
}
