//! The steps of a build: all its input and output.
//!
//! A step is a plain async function in a file of its own. What the engine needs of it — a name,
//! heartbeats, a typed failure — is added here, once for all.

pub mod await_build;
pub mod clean_up;
pub mod cluster;
pub mod dockerfile;
pub mod engine;
pub mod error;
pub mod events;
pub mod executor;
#[cfg(test)]
mod fixtures;
pub mod launch;
pub mod log;
pub mod mounts;
pub mod object;
pub mod phase;
pub mod pod;
pub mod registry;
pub mod registry_auth;
pub mod secrets;
pub mod settings;
pub mod split;
pub mod store;
pub mod template;
pub mod verdict;
