//! What the tests share. Tests that need the local stack are in files named `stack_*` or `flow*`
//! and fail, with the remedy, where it is not up: none is left out in silence.

pub mod chaos;
pub mod chart;
pub mod engine;
pub mod fakes;
pub mod needles;
pub mod package;
pub mod pipelines;
pub mod registry;
pub mod specs;
pub mod stack;
pub mod wire;
