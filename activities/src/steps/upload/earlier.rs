//! What is told in the store of the context that a directory of a source had last: of which sections
//! it is made, and how long they are there.
//!
//! It lies apart from the contexts: its key can be guessed, and it names the key of a context, by
//! which an executor could read what is another's.

use anyhow::Context;
use kilnworks_workflows::{names, steps::UploadInput};
use serde::{Deserialize, Serialize};

use crate::store::{ContextStore, Origin, SECTIONS, Stored};

/// A context, as it was put.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Earlier {
    key: String,
    version: String,
    /// Ids and lengths, from its beginning to its end.
    pub(super) sections: Vec<(String, u64)>,
}

/// Where it is told of the contexts of a directory. Another commit of it has mostly the same files.
pub fn key(input: &UploadInput) -> String {
    let UploadInput { source, context_dir, lfs, .. } = input;
    let told = format!("{}\n{context_dir}\n{}\n{lfs}", source.url, source.submodules);
    format!("{SECTIONS}{}.json", names::hex(told.as_bytes()))
}

impl Earlier {
    /// What is told; none where that is nothing, or cannot be read.
    pub(super) async fn read(store: &dyn ContextStore, input: &UploadInput) -> Option<Self> {
        let key = key(input);
        match parsed(store, &key).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(key, "packs a context without its sections: {error:#}");
                None
            }
        }
    }

    /// Tells of a context. A failure costs the next one time, and this one nothing.
    pub(super) async fn write(
        store: &dyn ContextStore,
        input: &UploadInput,
        stored: &Stored,
        sections: Vec<(String, u64)>,
    ) {
        let Some(version) = stored.version.clone() else { return };
        let told = Self { key: stored.key.clone(), version, sections };
        let key = key(input);
        let written = match serde_json::to_vec(&told) {
            Ok(bytes) => store.write(&key, bytes).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = written {
            tracing::warn!(key, "the sections of a context are not kept: {error:#}");
        }
    }

    /// What is copied from.
    pub(super) fn origin(&self) -> Origin {
        Origin { key: self.key.clone(), version: self.version.clone() }
    }
}

async fn parsed(store: &dyn ContextStore, key: &str) -> anyhow::Result<Option<Earlier>> {
    let found = store.read(key).await?;
    found.map(|bytes| serde_json::from_slice(&bytes).context("it is no JSON of ours")).transpose()
}
