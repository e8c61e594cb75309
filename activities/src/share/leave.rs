//! Leaving what is shared.

use kilnworks_workflows::{failure::FailureType, names, steps::Launched};

use super::{
    api::{self, TRIES, give_way},
    members,
};
use crate::{
    cluster::{Cluster, unavailable},
    error::fail,
};

/// An execution leaves a Pod or Job, and the last one deletes it. Leaving twice, or what one was
/// never a member of, changes nothing.
pub async fn leave(cluster: &Cluster, shared: &Launched, run_id: &str) -> anyhow::Result<()> {
    let Launched { kind, name, uid, .. } = shared;
    let own = names::member(run_id);
    for tries in 0..TRIES {
        give_way(tries).await;
        let read = api::read(cluster, *kind, name).await;
        let read = read.map_err(|error| unavailable("read what is shared", &error))?;
        // Gone or going, or another one of its name.
        let there = read.filter(|meta| meta.deletion_timestamp.is_none());
        let Some(meta) = there.filter(|meta| meta.uid.as_ref() == Some(uid)) else {
            return Ok(());
        };
        let members = members::of(&meta);
        if !members.contains_key(own.as_str()) {
            return Ok(());
        }
        let left = match members.len() {
            1 => api::delete(cluster, *kind, name, &meta).await,
            _ => api::patch(cluster, *kind, name, &members::leaving(&meta, run_id)).await,
        };
        match left {
            Ok(()) => return Ok(()),
            // Changed or gone since it was looked at.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(unavailable(&format!("leave `{name}`"), &error)),
        }
    }
    let message = format!("`{name}` changes all the time, and cannot be left");
    Err(fail(FailureType::ClusterUnavailable, message))
}
