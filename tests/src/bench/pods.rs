//! Pods without Kilnworks: made and watched by a bare client.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kilnworks_activities::pod::{phase, seen::SeenPod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt, watcher},
};

use crate::engine::eventually;

/// Label of a bare Pod: its scene.
pub(super) const SCENE: &str = "bench.kiln.io/scene";

/// How many Pods a bare client creates at once.
const AT_ONCE: usize = 20;

/// A version of the Pods from which a watch can begin.
pub(super) async fn now(pods: &Api<Pod>) -> Result<String> {
    let none = ListParams::default().limit(1);
    Ok(pods.list(&none).await?.metadata.resource_version.unwrap_or_default())
}

/// The first Pod of an app since a version.
pub(super) async fn first(pods: Api<Pod>, app: &str, since: &str) -> Result<Pod> {
    let params = WatchParams::default().labels(&format!("kiln.io/app={app}"));
    let mut events = pods.watch(&params, since).await?.boxed();
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Added(pod) = event {
            return Ok(pod);
        }
    }
    bail!("the watch ended before there was a Pod of `{app}`")
}

/// How many Pods of an app were created since a version.
pub(super) async fn created(pods: &Api<Pod>, app: &str, since: &str) -> Result<usize> {
    let params = WatchParams::default().labels(&format!("kiln.io/app={app}")).timeout(2);
    let events: Vec<_> = pods.watch(&params, since).await?.try_collect().await?;
    Ok(events.iter().filter(|event| matches!(event, WatchEvent::Added(_))).count())
}

/// The same Pod, with another name and without Kilnworks' labels: no worker takes it for its own.
pub(super) fn bare(pod: &Pod, scene: &str, number: usize) -> Pod {
    let mut spec = pod.spec.clone();
    spec.iter_mut().for_each(|spec| spec.node_name = None);
    let metadata = ObjectMeta {
        name: Some(format!("{scene}-{number}")),
        labels: Some([(SCENE.to_owned(), scene.to_owned())].into()),
        annotations: pod.metadata.annotations.clone(),
        ..ObjectMeta::default()
    };
    Pod { metadata, spec, status: None }
}

/// Creates a Pod and watches it to the end of its executor.
pub(super) async fn run(pods: &Api<Pod>, pod: &Pod) -> Result<Duration> {
    let begun = Instant::now();
    let created = pods.create(&PostParams::default(), pod).await?;
    let own = watcher::Config::default().fields(&format!("metadata.name={}", created.name_any()));
    watch(pods, own, 1).await?;
    Ok(begun.elapsed())
}

/// Creates all of a scene's Pods and watches them to their ends.
pub(super) async fn run_all(pods: &Api<Pod>, scene: &str, all: &[Pod]) -> Result<Duration> {
    let own = watcher::Config::default().labels(&format!("{SCENE}={scene}"));
    let begun = Instant::now();
    let post = PostParams::default();
    let creating = stream::iter(all).map(|pod| pods.create(&post, pod));
    let creating = creating.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) });
    let creating = async { Ok(creating.await?) };
    tokio::try_join!(creating, watch(pods, own, all.len()))?;
    Ok(begun.elapsed())
}

/// Removes Pods by their labels, and waits until they are gone.
pub(super) async fn remove(pods: &Api<Pod>, labels: &str) -> Result<()> {
    let selector = ListParams::default().labels(labels);
    pods.delete_collection(&DeleteParams::default().grace_period(0), &selector).await?;
    eventually("the Pods to be gone", Duration::from_secs(50), async || {
        pods.list_metadata(&selector).await.ok()?.items.is_empty().then_some(())
    })
    .await;
    Ok(())
}

/// Waits until so many Pods have ended well.
async fn watch(pods: &Api<Pod>, config: watcher::Config, count: usize) -> Result<()> {
    let mut ended = std::collections::BTreeSet::new();
    // An API server may end a watch at any time: then it is begun anew.
    let mut seen = watcher(pods.clone(), config).default_backoff().applied_objects().boxed();
    while let Some(pod) = seen.next().await {
        let Ok(pod) = pod else { continue };
        let pod = SeenPod::from(pod);
        let Some(end) = phase::terminated(&pod) else { continue };
        let message = end.message.as_deref().unwrap_or_default();
        ensure!(end.exit_code == 0, "the bare Pod `{}` failed: {message}", pod.name_any());
        ended.insert(pod.name_any());
        if ended.len() == count {
            return Ok(());
        }
    }
    bail!("the watch over the bare Pods ended")
}
