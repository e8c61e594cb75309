//! What a sweep may do, and what it did.

use serde::{Deserialize, Serialize};

/// Input of a sweep. Everything else is a setting of the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SweepInput {
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// What a sweep did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// Nothing was removed.
    pub dry_run: bool,
    /// Jobs and Pods whose owner no longer runs: those that were removed.
    pub objects: Objects,
    /// Contexts that nobody can need any more.
    pub contexts: Amount,
    /// Parts of logs that are older than their retention.
    pub logs: Amount,
    /// What was being put into the store when a worker died.
    pub unfinished_uploads: u64,
    /// What was looked at and left.
    pub kept: Kept,
}

/// What was looked at and left.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Jobs and Pods.
    pub objects: Objects,
    /// Contexts.
    pub contexts: Amount,
    /// Parts of logs.
    pub logs: Amount,
}

/// Some things of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Their size.
    pub bytes: u64,
}

/// Some objects of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Objects {
    /// How many.
    pub count: u64,
    /// The first [`MOST_NAMED`] of them: a result must be small.
    pub named: Vec<SweptObject>,
}

/// How many objects a report names.
pub const MOST_NAMED: usize = 200;

impl Objects {
    /// Notes one more.
    pub fn add(&mut self, object: SweptObject) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(object);
        }
    }
}

impl Amount {
    /// Notes one more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// An object of the cluster, and why it was removed or left.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweptObject {
    /// `Pod` or `Job`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Id of the workflow that made it; empty where it does not say.
    pub workflow_id: String,
    /// Why, in a few words.
    pub reason: String,
}
