//! The workflows on a real Temporal server, with fake steps.

mod app;
mod approval;
mod ask;
mod attributes;
mod cancel;
mod decisions;
mod extend;
mod failures;
mod found;
mod graph;
mod pause;
mod platforms;
mod release;
mod retries;
mod shared;
mod unchanged;
mod walk;
