//! Steps with the real neighbours of the local stack: a cluster, a registry, an S3 server, git servers.
//!
//! Needs the stack: run `make up` and source `.local/env`.

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod context;
mod git;
mod helm;
mod index;
mod package;
mod repository;
mod ssh;
mod store;
mod streams;
