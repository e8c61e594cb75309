//! `upload`: the context into the store, unless its key is there already.

mod earlier;

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use kilnworks_workflows::steps::{Context, UploadInput};

use self::earlier::Earlier;
pub use self::earlier::key as sections_key;
use crate::{
    context::{
        lfs,
        pack::{
            self,
            plan::Plan,
            sections::{self, Sections},
        },
    },
    error::own_disk,
    metrics::metrics,
    source::{Snapshot, Sources, scratch},
    store::{ContextStore, LEAST_PART, Piece, Stored, retention::context_key_at},
    turn,
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
    let _turn = turn::wait(&key).await;
    let found = store.find(&key).await?;
    // A context that was put together from parts has no checksum.
    let found = found.filter(|found| found.sha256.is_some() || !store.wants_checksum());
    if let Some(Stored { size, sha256, .. }) = found {
        metrics().context_found(size);
        return Ok(Context { key, size, root, sha256, sent: false });
    }
    let upload = Upload { sources, store, snapshot, input, key: &key };
    let Put { stored: Stored { size, sha256, .. }, copied } = upload.put().await?;
    metrics().context_put(size - copied, copied);
    let seconds = started.elapsed().as_secs_f64();
    tracing::info!(key, size, copied, seconds, "uploaded a context");
    Ok(Context { key, size, root, sha256, sent: true })
}

async fn content(snapshot: &Snapshot, input: Arc<UploadInput>) -> anyhow::Result<String> {
    snapshot
        .read(move |tree, _| Ok(pack::key(tree, &pack::context(tree, &input)?, input.lfs)))
        .await
}

/// A context that is not in the store.
struct Upload<'a> {
    sources: &'a Sources,
    store: &'a dyn ContextStore,
    snapshot: Snapshot,
    input: Arc<UploadInput>,
    key: &'a str,
}

/// What was put, and how many bytes of it were in the store already.
struct Put {
    stored: Stored,
    copied: u64,
}

/// What is to be sent, as a file, which is gone when it is dropped.
struct Packed {
    file: tempfile::NamedTempFile,
    pieces: Vec<Piece>,
    sections: Vec<(String, u64)>,
}

impl Upload<'_> {
    /// Puts it: what the directory's last context has is copied from that, if it is large enough and
    /// the checksum of the whole need not be known.
    async fn put(&self) -> anyhow::Result<Put> {
        let sections = Arc::new(self.sections().await?);
        let is_told = sections.bytes >= LEAST_PART && !self.store.wants_checksum();
        if is_told
            && let Some(earlier) = Earlier::read(self.store, &self.input).await
            && let Some(plan) = Plan::sparing(sections.clone(), &earlier.sections)
            && let Some(put) = self.compose(&earlier, plan).await?
        {
            return Ok(put);
        }
        let packed = self.packed(Plan::whole(sections)).await?;
        let stored = self.store.put(self.key, packed.file.path()).await?;
        if is_told {
            Earlier::write(self.store, &self.input, &stored, packed.sections).await;
        }
        Ok(Put { stored, copied: 0 })
    }

    /// Puts it together. None where the store cannot: the earlier context may be gone.
    async fn compose(&self, earlier: &Earlier, plan: Plan) -> anyhow::Result<Option<Put>> {
        let Packed { file, pieces, sections } = self.packed(plan).await?;
        let composed = self.store.compose(self.key, file.path(), &earlier.origin(), &pieces).await;
        let stored = match composed {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(key = self.key, "packs the whole context: {error:#}");
                return Ok(None);
            }
        };
        Earlier::write(self.store, &self.input, &stored, sections).await;
        let copied = pieces.iter().filter(|piece| matches!(piece, Piece::Copied(_)));
        Ok(Some(Put { stored, copied: copied.map(Piece::length).sum() }))
    }

    async fn sections(&self) -> anyhow::Result<Sections> {
        let input = self.input.clone();
        let find = self.snapshot.read(move |tree, cancel| {
            sections::of(tree, &pack::context(tree, &input)?, input.lfs, cancel)
        });
        find.await
    }

    async fn packed(&self, plan: Plan) -> anyhow::Result<Packed> {
        let (input, scratch) = (self.input.clone(), self.sources.scratch());
        let objects = scratch::dir(&scratch).map_err(own_disk)?;
        let large = match input.lfs {
            true => {
                let fetched =
                    lfs::fetch(&self.snapshot, input.clone(), plan.clone(), objects.path());
                Some(fetched.await.map_err(own_disk)?)
            }
            false => None,
        };
        let read = self.snapshot.read(move |tree, cancel| {
            let mut file = scratch::file(&scratch)?;
            let context = pack::context(tree, &input)?;
            let lengths = pack::pack(tree, &context, &plan, &large, file.as_file_mut(), cancel)?;
            let (pieces, sections) = plan.composed(&lengths);
            Ok(Packed { file, pieces, sections })
        });
        read.await
    }
}
