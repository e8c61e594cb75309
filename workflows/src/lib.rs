//! The spec, the plan, the inputs and outputs of the steps, the policy table, and the workflows.
//!
//! This crate does no input or output; workflows call [`steps`] for that. To read it, start with
//! [`build_app`], [`build_component`] and [`build_container`].

mod bases;
pub mod bounds;
pub mod build;
pub mod build_app;
pub mod build_component;
pub mod build_container;
pub mod build_id;
pub mod checks;
pub(crate) mod consent;
pub mod contract;
pub mod decision;
pub(crate) mod deliver;
pub(crate) mod desk;
pub mod document;
pub(crate) mod ending;
mod execute;
pub mod failure;
pub mod fault;
pub mod git_url;
mod handlers;
mod image;
pub mod names;
pub mod output;
pub mod plan;
pub mod planned;
pub mod platform;
pub mod policy;
pub mod progress;
pub mod record;
pub mod release;
pub mod reserve_version;
pub(crate) mod sources;
pub mod spec;
pub mod steps;
pub mod stop;
pub mod sweep;
mod unchanged;

pub use build_app::BuildApp;
pub use build_component::BuildComponent;
pub use build_container::BuildContainer;
pub use reserve_version::ReserveVersion;
pub use sweep::Sweep;
