//! The steps of a build, in the order of the walk. Each is a plain async function: heartbeats, spans
//! and typed failures are added once for all, by [`crate::temporal`].

pub mod split;

pub mod check_version;
pub mod compare;
pub mod find_images;
pub mod finder;

pub mod await_build;
pub mod clean_up;
pub mod fetch_source;
pub mod find_image;
pub mod index;
pub mod launch;
pub mod render;
pub mod tag;
pub mod upload;

pub mod resolve_image;
