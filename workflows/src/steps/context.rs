//! The context of a container.

use serde::{Deserialize, Serialize};

use crate::{build_id::BuildId, plan::GitSource};

/// A context to put into the store.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadInput {
    /// The build that needs it.
    pub id: BuildId,
    /// Where the code is.
    pub source: GitSource,
    /// The commit.
    pub commit: String,
    /// Directory of the source that is the context; `""` is its root.
    pub context_dir: String,
    /// Replace Git LFS pointer files.
    pub lfs: bool,
}

/// A context in the store.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// Content key: the same bytes have the same key, whatever the commit, for some weeks.
    pub key: String,
    /// Size of the packed context in bytes.
    pub size: u64,
    /// The directory in the archive that is the context.
    pub root: String,
    /// SHA-256 of the packed context, where the store keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// False where it was there already.
    pub sent: bool,
}
