//! Joining what an equal build made.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kilnworks_workflows::{
    failure::FailureType,
    steps::{Launched, LaunchedKind},
};

use super::{
    Share,
    api::{self, TRIES, give_way},
    leave::leave,
    members,
};
use crate::{
    cluster::{Cluster, Found, unavailable},
    engine::{Wish, unwanted},
    error::fail,
    phase, verdict,
};

/// What came of it.
#[derive(Debug)]
pub enum Joined {
    /// The build is a member, now or since an earlier run of the step.
    Member(Launched),
    /// There is nothing to join: it may be created.
    Nothing,
    /// What is there is being deleted.
    Going,
    /// What is there is of no use to a build that begins: it goes on alone.
    Spent,
}

/// Joins the shared Pod or Job, where there is one. Doing so twice is doing so once.
///
/// `wish` asks the engine what it wants of the step: before it joins, and after, as a cancelled
/// build's clean-up may have run in between.
pub async fn join(
    cluster: &Cluster,
    share: &Share,
    wish: &impl AsyncFn() -> Wish,
) -> anyhow::Result<Joined> {
    let kind = cluster.site.settings.launcher.launched();
    for tries in 0..TRIES {
        give_way(tries).await;
        let read = api::read(cluster, kind, &share.name).await;
        let read = read.map_err(|error| unavailable("read what is shared", &error))?;
        let Some(meta) = read else { return Ok(Joined::Nothing) };
        if let Some(known) = known(share, kind, &meta)? {
            return Ok(known);
        }
        let launched = share.launched(kind, &meta);
        if !is_of_use(cluster, &launched).await? {
            return Ok(Joined::Spent);
        }
        if wish().await != Wish::Outcome {
            return Err(unwanted());
        }
        match api::patch(cluster, kind, &share.name, &share.member.joining(&meta)).await {
            Ok(()) if wish().await == Wish::End => {
                leave(cluster, &launched, &share.member.run_id).await?;
                return Err(unwanted());
            }
            Ok(()) => return Ok(Joined::Member(launched)),
            // Changed or gone since it was looked at.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            // It has as many members as an object can hold.
            Err(kube::Error::Api(status)) if status.code == 422 => return Ok(Joined::Spent),
            Err(error) => return Err(unavailable("join an equal build", &error)),
        }
    }
    let message = format!("`{}` changes all the time, and cannot be joined", share.name);
    Err(fail(FailureType::ClusterUnavailable, message))
}

/// What is known without a look at how the build stands.
fn known(share: &Share, kind: LaunchedKind, meta: &ObjectMeta) -> anyhow::Result<Option<Joined>> {
    if !share.is(meta) {
        let message = format!("`{}` is there already and is not shared by this build", share.name);
        return Err(fail(FailureType::Conflict, message));
    }
    Ok(if phase::is_overdue(meta, Timestamp::now()) {
        Some(Joined::Spent)
    } else if meta.deletion_timestamp.is_some() {
        Some(Joined::Going)
    } else if members::of(meta).contains_key(share.member.label().as_str()) {
        Some(Joined::Member(share.launched(kind, meta)))
    } else {
        None
    })
}

/// Whether a build runs or will, or has pushed its image.
async fn is_of_use(cluster: &Cluster, launched: &Launched) -> anyhow::Result<bool> {
    Ok(match cluster.ask(launched).await? {
        Found::Pod(pod) if phase::is_unfinished(&pod) => true,
        Found::Pod(pod) => verdict::digest(&pod).is_some(),
        Found::NotYet => true,
        Found::Gone => false,
    })
}
