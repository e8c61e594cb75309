//! What the tests share. Tests that need the local stack are in files named `stack_*` or `flow*`
//! and fail, with the remedy, where it is not up: none is left out in silence.

pub mod bench;
pub mod chaos;
pub mod chart;
pub mod engine;
pub mod fake_node;
pub mod fakes;
pub mod image;
pub mod needles;
pub mod package;
pub mod pipelines;
pub mod registry;
pub mod specs;
pub mod stack;
pub mod telemetry;
pub mod wire;
