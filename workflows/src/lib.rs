//! Kilnworks' contract with the engine and with everyone who starts a build: the spec, the plan,
//! the steps' inputs and outputs, the policy table, and the workflows.
//!
//! Nothing here does input or output: this crate's manifest names no client of anything. What the
//! workflows need done they ask for through [`steps`].
//!
//! Read [`build_app`], [`build_component`], [`build_container`]: top to bottom they are the product.

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
