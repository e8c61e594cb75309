//! `upload`: the context into the store, unless its key is there already.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use kilnworks_workflows::steps::{Context, UploadInput};

use crate::{
    error::own_disk,
    lfs,
    metrics::metrics,
    pack::{self, Large},
    source::{Snapshot, Sources, scratch},
    store::{ContextStore, Stored, retention::context_key_at},
};

/// Puts the context of a container into the store. It can run at any time, again and twice at
/// once: the same directory has the same key and the same bytes. Who finds a key may rely on it for
/// as long as a build may take: see [`crate::store::retention`].
pub async fn upload(
    sources: &Sources,
    store: &dyn ContextStore,
    input: UploadInput,
) -> anyhow::Result<Context> {
    let started = Instant::now();
    let snapshot = sources.ensure(&input.source, &input.commit).await?;
    let input = Arc::new(input);
    let content = content(&snapshot, input.clone()).await?;
    let key = context_key_at(&content, SystemTime::now());
    let root = pack::ROOT.to_owned();
    let found = store.find(&key).await?;
    // An earlier version put contexts without it.
    let found = found.filter(|found| found.sha256.is_some() || !store.wants_checksum());
    if let Some(Stored { size, sha256, .. }) = found {
        metrics().context(size, false);
        return Ok(Context { key, size, root, sha256, sent: false });
    }
    let objects = scratch::dir(&sources.scratch()).map_err(own_disk)?;
    let large = match input.lfs {
        true => {
            let fetched = lfs::fetch(&snapshot, input.clone(), objects.path()).await;
            Some(fetched.map_err(own_disk)?)
        }
        false => None,
    };
    let packed = packed(&snapshot, sources, input, Arc::new(large)).await?;
    let Stored { size, sha256, .. } = store.put(&key, packed.path()).await?;
    metrics().context(size, true);
    tracing::info!(key, size, seconds = started.elapsed().as_secs_f64(), "uploaded a context");
    Ok(Context { key, size, root, sha256, sent: true })
}

async fn content(snapshot: &Snapshot, input: Arc<UploadInput>) -> anyhow::Result<String> {
    snapshot
        .read(move |tree, _| Ok(pack::key(tree, &pack::context(tree, &input)?, input.lfs)))
        .await
}

/// The context as a file, which is gone when it is dropped.
async fn packed(
    snapshot: &Snapshot,
    sources: &Sources,
    input: Arc<UploadInput>,
    large: Arc<Large>,
) -> anyhow::Result<tempfile::NamedTempFile> {
    let scratch = sources.scratch();
    snapshot
        .read(move |tree, cancel| {
            let mut file = scratch::file(&scratch)?;
            let context = pack::context(tree, &input)?;
            pack::pack(tree, &context, &large, file.as_file_mut(), cancel)?;
            Ok(file)
        })
        .await
}
