//! The steps of a build: all its input and output.
//!
//! A step is a plain async function in a file of its own. What the engine needs of it — a name,
//! heartbeats, a typed failure — is added here, once for all.

pub mod blocking;
pub mod engine;
pub mod error;
pub mod lfs;
pub mod pack;
pub mod render;
pub mod secrets;
pub mod settings;
pub mod source;
pub mod split;
pub mod store;
pub mod upload;
